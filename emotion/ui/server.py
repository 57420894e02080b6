"""The server of the app: `streamlit` with the work-arounds that it needs before the first page is drawn."""

from streamlit.web.cli import main

from emotion.ui import streamlit_workarounds

if __name__ == "__main__":
    streamlit_workarounds.disable_ip_lookup()
    main(prog_name="streamlit")
