"""Configuration: resolved once, frozen, every value with its origin. Environment variables are read here and in launch."""
