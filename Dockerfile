# The app alone, without what only tests need:   docker build -t emotion-studio . && docker run -p 127.0.0.1:8501:8501 emotion-studio
# Who opens it to a network names the hosts in the address bar: -e STREAMLIT_SERVER_ALLOWED_HOSTS="localhost studio.example.org"
# A camera needs HTTPS unless the page is opened on the same machine; see "Open it to others" in README.md.
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=3
WORKDIR /app
RUN useradd --system --create-home --home-dir /home/studio studio \
    && mkdir data runs \
    && chown studio data runs
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY .streamlit/config.toml .streamlit/config.toml
COPY app.py ./
COPY pages pages
COPY models models
COPY emotion emotion

USER studio
# What is trained or prepared in the app is kept there.
VOLUME ["/app/data", "/app/runs"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.headless=true"]
