# The base is named by its full version. To pin the very bytes, look its digest up and hand both over:
#   docker buildx imagetools inspect python:3.13.12-slim-bookworm --format '{{json .Manifest.Digest}}'
#   docker build --build-arg PYTHON=3.13.12-slim-bookworm@sha256:... --build-arg REVISION=$(git rev-parse HEAD) .
# Run it with a policy and secrets (one file each, named as the settings, in lower case) that user 10001 can read:
#   docker run --detach --name latchkey --init --restart unless-stopped --stop-timeout 45 --read-only --tmpfs /tmp \
#     --cap-drop ALL --security-opt no-new-privileges --memory 512m --pids-limit 200 -p 127.0.0.1:8080:8080 \
#     -v "$PWD/secrets:/run/secrets:ro" -v "$PWD/policy:/etc/latchkey:ro" -e LATCHKEY_POLICY=/etc/latchkey/policy.yml \
#     -v latchkey-audit:/var/lib/latchkey -e LATCHKEY_AUDIT_LOG=/var/lib/latchkey/audit.jsonl IMAGE
ARG PYTHON=3.13.12-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Two environments: what builds the wheel, and what runs it, without pip, build backend, embedded server and sandbox.
RUN python -m venv /build && python -m venv --without-pip /opt/latchkey
WORKDIR /src
# The locks first: the layers with the dependencies are built again only when they change.
COPY requirements-run.lock requirements.lock ./
RUN python -m pip --python /opt/latchkey install --require-hashes --only-binary :all: -r requirements-run.lock
RUN /build/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE app-manifest.yml ./
COPY bot bot
COPY handlers handlers
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && python -m pip --python /opt/latchkey install --no-deps --no-index /dist/*.whl

FROM python:${PYTHON}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Latchkey" \
      org.opencontainers.image.description="A Slack bot for Confluent Cloud API keys" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# The base's own pip, too, and the copy from which ensurepip would bring it back.
RUN python -m pip uninstall --yes pip && rm -rf /usr/local/lib/python3*/ensurepip \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent latchkey \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/latchkey
COPY --from=build /opt/latchkey /opt/latchkey
# HOST: inside a container loopback reaches nobody; what is published is decided outside.
ENV PATH=/opt/latchkey/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8080
# By number, so that Kubernetes sees that it is not root. Run it with a read-only root; /var/lib/latchkey is for a volume
# with the file of LATCHKEY_AUDIT_LOG, where that is set.
USER 10001:10001
WORKDIR /
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as http; http.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
CMD ["latchkey", "run"]
