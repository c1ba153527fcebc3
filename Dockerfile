# keylane serve in a container: docs/service.md, "Docker".
FROM node:20-bookworm-slim AS build
WORKDIR /keylane
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

# Without scripts: what is native comes prebuilt, or is done without.
FROM node:20-bookworm-slim AS modules
WORKDIR /keylane
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
# ssh is for hosts whose ssh_config needs it (transport openssh). Its masters outlive who started them and become children of
# process 1, which has to wait for them: Node does not, tini does.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends openssh-client tini \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=node --group=node --mode=0700 /data
WORKDIR /keylane
COPY package.json LICENSE ./
COPY docs docs
COPY --from=modules /keylane/node_modules node_modules
COPY --from=build /keylane/dist dist
USER node
ENV NODE_ENV=production
VOLUME /data
EXPOSE 7473
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7473/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/keylane/dist/src/cli/main.js"]
# In the clear within the container's network: publish it on 127.0.0.1, or put a proxy that encrypts before it.
CMD ["serve", "--no-restart", "--listen", "0.0.0.0:7473", "--allow-insecure", "--data-dir", "/data", "--log-format", "json"]
