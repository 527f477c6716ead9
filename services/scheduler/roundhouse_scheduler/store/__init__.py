"""The scheduler's record: tables, and the functions that read and write them.

Functions take a `ReadSession` or a `WriteSession`; the caller's block is the transaction.
"""
