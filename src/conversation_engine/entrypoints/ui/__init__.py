"""The web page: Streamlit pages that talk to our own HTTP API, and the door to them."""
