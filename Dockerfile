# The server, on a volume at /data. It does not serve others without a key: see compose.yaml.
FROM python:3.13-slim-bookworm AS built
WORKDIR /src
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv --without-pip /opt/worldevents \
    && pip --python /opt/worldevents/bin/python install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip --python /opt/worldevents/bin/python install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 worldevents && install -d -o worldevents -m 700 /data
COPY --from=built /opt/worldevents /opt/worldevents
ENV PATH=/opt/worldevents/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WORLDEVENTS_DATABASE_URL=sqlite:////data/worldevents.db
USER worldevents
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as ask; ask.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["worldevents"]
CMD ["serve", "--host", "0.0.0.0"]
