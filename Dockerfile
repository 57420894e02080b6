# The app without the test dependencies:   docker build -t emotion-studio . && docker run -p 127.0.0.1:8501:8501 emotion-studio
# On a network, name the hosts of the address bar: -e EMOTION_HOSTS=studio.example.org
# A camera needs HTTPS unless the browser runs on the same machine.
# For a build that stays the same, name the base image by digest, see docs/deployment.md:
# --build-arg PYTHON_IMAGE=python:3.12-slim@sha256:...
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE}

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=3
# It listens on all addresses; with an empty value it is a private server with all pages.
ENV EMOTION_PUBLIC=1
WORKDIR /app
# 1000 is the user as whom Hugging Face Spaces run a container.
RUN useradd --uid 1000 --create-home --home-dir /home/studio studio \
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
# The workspace: runs, data sets and videos.
VOLUME ["/app/data", "/app/runs"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "emotion", "app", "--server.address=0.0.0.0", "--server.headless=true"]
