# The base as it is: Debian with Python, for tests of the cluster itself.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
USER 10001:10001
