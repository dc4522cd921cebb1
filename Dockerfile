# One image for every role. BuildKit is needed, Docker's default since 23.

FROM node:24.21-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY . .
RUN npm run build

FROM node:24.21-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The optional ones are the embedded PostgreSQL, a Node and native speed-ups: 413 MB with them, 140 MB without.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional

FROM node:24.21-slim
# In a container a port is reachable from outside only if all its interfaces are listened on.
# Without DATABASE_URL the start asks for it; that the message is not about the folder takes one that can be made.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/tmp/counterpart
WORKDIR /app
COPY package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# All files are root's, and nothing is written: the root file system may be read-only.
USER node
EXPOSE 3000
# Whether the process lives, not whether PostgreSQL and Redis do: restarting would not bring them back.
# The long start period is for migrations.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node itself and not npm, so that SIGTERM arrives. The flags are those of the start script in package.json.
CMD ["node", "--max-semi-space-size=8", "--max-old-space-size=256", "dist/main.js"]
