"""The terminal's door: `convo`.

Its modules are imported for `convo --help` too, so whatever is slow to import (the engine, rich, uvicorn) is imported
inside the commands.
"""
