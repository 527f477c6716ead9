"""APIs of clients beside OpenAI's own, each translated into OpenAI's and back. Pure: bytes in, bytes out."""
