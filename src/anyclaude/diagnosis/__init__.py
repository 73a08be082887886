"""What is wrong with this machine or this model, and the next step."""
