"""What Streamlit runs for every look at a page."""

from conversation_engine.entrypoints.ui.shell import run

run()
