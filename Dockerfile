FROM docker.io/airbyte/python-connector-base:4.1.0@sha256:1d1aa21d34e851df4e8a87b391c27724c06e2597608e7161f4d167be853bd7b6 AS builder

WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY source_customerscanvas ./source_customerscanvas
RUN pip install --no-cache-dir --prefix=/install .

FROM docker.io/airbyte/python-connector-base:4.1.0@sha256:1d1aa21d34e851df4e8a87b391c27724c06e2597608e7161f4d167be853bd7b6

COPY --from=builder /install /usr/local

WORKDIR /airbyte/integration_code
USER airbyte

ENV AIRBYTE_ENTRYPOINT="source-customerscanvas"
ENTRYPOINT ["source-customerscanvas"]
