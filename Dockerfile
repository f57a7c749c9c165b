ARG PYTHON=3.11-slim

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/latchkey
WORKDIR /src
# The lock first: the layer with the dependencies is built again only when they change.
COPY requirements.lock ./
RUN /opt/latchkey/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE app-manifest.yml ./
COPY bot bot
COPY handlers handlers
RUN /opt/latchkey/bin/pip install --no-deps --no-build-isolation .

FROM python:${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --home-dir /data latchkey \
    && install -d -o latchkey -g latchkey -m 0700 /data
COPY --from=build /opt/latchkey /opt/latchkey
# HOST: inside a container loopback reaches nobody; what is published is decided outside.
ENV PATH=/opt/latchkey/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    LATCHKEY_DATA_DIR=/data
USER latchkey
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as http; http.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
CMD ["latchkey", "run"]
