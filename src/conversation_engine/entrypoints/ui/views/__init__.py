"""The pages. Streamlit runs their files; imported, they do nothing."""
