"""What the pages need of Streamlit."""
