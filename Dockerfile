ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.1.0@sha256:1d1aa21d34e851df4e8a87b391c27724c06e2597608e7161f4d167be853bd7b6

FROM ${BASE_IMAGE} AS builder

WORKDIR /build
COPY requirements.lock ./
# without dependencies: the framework declares some that the connector never imports (see tools/requirements.py)
RUN pip install --no-cache-dir --no-deps --prefix=/install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY source_customerscanvas ./source_customerscanvas
RUN pip install --no-cache-dir --no-deps --prefix=/install .

FROM ${BASE_IMAGE}

COPY --from=builder /install /usr/local

WORKDIR /airbyte/integration_code
# the base image's user "airbyte", by its number: a platform that refuses root cannot look up names
USER 1000

ENV AIRBYTE_ENTRYPOINT="source-customerscanvas"
ENTRYPOINT ["source-customerscanvas"]
