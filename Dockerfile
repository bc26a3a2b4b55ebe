# Production image: non-root, production dependencies only. Configuration by environment (README); data in /data.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The base image is Node 24 itself, so the `node` package's own download is skipped.
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/node node_modules/.bin/node

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production DATA_DIR=/data
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY mappings mappings
COPY conformance conformance
COPY server server
RUN mkdir -p /data node_modules/.cache && chown node:node /data node_modules/.cache
USER node
# Compiles once, here: a container that starts again takes half a second less.
RUN ["node", "--disable-warning=ExperimentalWarning", "server/main.ts", "--help"]
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "const { TLS_CERT_FILE: tls, PORT = 8080 } = process.env; require(tls ? 'https' : 'http').get({ host: '127.0.0.1', port: PORT, path: '/health/live', rejectUnauthorized: false }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
CMD ["node", "--disable-warning=ExperimentalWarning", "server/main.ts", "serve"]
