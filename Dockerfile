# The service, and with the same image the four local chains (`devnet` target of docker-compose.yml).
FROM python:3.12-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/crossmargin
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY aggregator aggregator
COPY chains chains
COPY oracles oracles
COPY risk risk
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home crossmargin \
    && mkdir -p /var/lib/crossmargin \
    && chown crossmargin /var/lib/crossmargin
USER crossmargin
ENV CROSSMARGIN_CACHE=/var/lib/crossmargin/cache
EXPOSE 8080
ENTRYPOINT ["crossmargin"]
CMD ["serve", "--config", "/etc/crossmargin/crossmargin.toml"]
