"""The REST API of the catalog: bodies in and out (`*_schemas.py`), and one module of endpoints per noun."""
