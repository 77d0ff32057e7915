FROM python:3.11-slim
RUN useradd --create-home --uid 10001 forebay && mkdir /data && chown forebay /data
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
RUN pip install --no-cache-dir . && rm -rf /source
USER forebay
WORKDIR /data
VOLUME /data
EXPOSE 9000 9001
# The embedded default on all addresses of the container; mount a configuration and name it with --config for anything else.
CMD ["forebay", "serve", "--set", "listen.s3=0.0.0.0:9000", "--set", "listen.admin=0.0.0.0:9001"]
