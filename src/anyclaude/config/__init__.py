"""Configuration: resolved once, frozen, every value with its origin. Only this and launch read the environment."""
