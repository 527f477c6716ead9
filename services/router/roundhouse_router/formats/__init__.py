"""APIs of outside providers, each with OpenAI's translated into it and back."""
