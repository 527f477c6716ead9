"""The endpoints that engines may have. Nodes say which an engine has; routers send it nothing else."""

import enum

__all__ = ["Feature"]


class Feature(enum.StrEnum):
    """An endpoint that an engine really has, by what it is for. Readers ignore values they do not know."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    MESSAGES = "messages"
    """Anthropic's form of chat."""
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    SCORE = "score"
    TRANSCRIPTIONS = "transcriptions"
    TOKENIZE = "tokenize"
    TRANSLATIONS = "translations"
    IMAGES = "images"
    SPEECH = "speech"
