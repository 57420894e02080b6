"""The server of the app: `streamlit` with what it needs before the first page is drawn."""

from streamlit.web.cli import main

from emotion.ui import streamlit_workarounds
from emotion.ui.visitors.protection import protect_visitors

if __name__ == "__main__":
    streamlit_workarounds.disable_ip_lookup()
    protect_visitors()
    main(prog_name="streamlit")
