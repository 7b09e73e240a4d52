"use strict";
// A node-opcua server for tests: its settings come as one JSON argument, its orders as JSON over HTTP on loopback.
const fs = require("fs");
const http = require("http");
const {
  OPCUAServer, OPCUACertificateManager, DataType, Variant, VariantArrayType, ServerState, coerceStatusCode, StatusCodes,
} = require("node-opcua");

const given = JSON.parse(process.argv[2]);
const variables = new Map();
const produced = new Map(); // name -> last k, our own log of what was sent

function variant(type, value, array) {
  const dataType = DataType[type];
  const one = (v) => {
    if (v === "NaN") return NaN;
    if (v === "Infinity") return Infinity;
    if (v === "-Infinity") return -Infinity;
    if (v === "-0") return -0;
    if (dataType === DataType.Int64 || dataType === DataType.UInt64) {
      const bits = BigInt.asUintN(64, BigInt(v)); // the library keeps 64 bits as [high, low]
      return [Number(bits >> 32n), Number(bits & 0xffffffffn)];
    }
    if (dataType === DataType.DateTime) return new Date(v);
    return v;
  };
  if (array) return new Variant({ dataType, arrayType: VariantArrayType.Array, value: value.map(one) });
  return new Variant({ dataType, arrayType: VariantArrayType.Scalar, value: dataType === DataType.Null ? null : one(value) });
}

function put(name, type, value, status, sourceMs, array) {
  const when = sourceMs === undefined ? new Date() : new Date(sourceMs);
  variables.get(name).setValueFromSource(variant(type, value, array), statusOf(status), when);
}

function statusOf(code) {
  return code === undefined ? StatusCodes.Good : coerceStatusCode(code);
}

function step(name, index) {
  const k = (produced.get(name) || 0) + 1;
  produced.set(name, k);
  const now = Date.now();
  if (given.log) fs.appendFileSync(given.log, `${name} ${index} ${k} ${now}\n`);
  put(name, "Double", index * 1e9 + k, undefined, now);
}

const timers = new Map();
function ramp(name, index, periodMs) {
  clearInterval(timers.get(name));
  if (periodMs > 0) timers.set(name, setInterval(() => step(name, index), periodMs));
}

async function order(server, one) {
  const engine = server.engine;
  switch (one.op) {
    case "set": put(one.name, one.type, one.value, one.status, one.source_ms, one.array); return {};
    case "burst": for (let i = 0; i < one.count; i += 1) step(one.name, one.index || 1); return {};
    case "ramp": ramp(one.name, one.index, one.period_ms); return {};
    case "produced": return Object.fromEntries(produced);
    case "sessions": return { count: engine.currentSessionCount, subscriptions: engine.currentSubscriptionCount };
    case "close_sessions": // the session goes, its subscriptions as told
      for (const s of Object.values(engine._sessions)) engine.closeSession(s.authenticationToken, Boolean(one.subscriptions), "Terminated");
      return {};
    case "delete_subscriptions":
      for (const s of Object.values(engine._sessions)) {
        for (const id of Object.values(s.publishEngine._subscriptions).map((x) => x.id)) s.deleteSubscription(id);
      }
      return {};
    case "add": addVariable(server, one); return {};
    case "state": engine.setServerState(ServerState[one.state]); return {};
    default: throw new Error(`no order ${one.op}`);
  }
}

function addVariable(server, one) {
  const space = server.engine.addressSpace;
  const own = space.getNamespaceIndex(given.namespace);
  const variable = space.getNamespace(given.namespace).addVariable({
    organizedBy: folder, browseName: one.name, nodeId: `ns=${own};s=${one.name}`, dataType: one.type || "Double",
    minimumSamplingInterval: 0,
  });
  variables.set(one.name, variable);
  if (one.history) space.installHistoricalDataNode(variable, { maxOnlineValues: 100000 });
  if (one.value !== undefined) put(one.name, one.type || "Double", one.value);
}
let folder;

(async () => {
  const manager = new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: given.pki });
  await manager.initialize();
  const server = new OPCUAServer({
    port: given.port, host: "127.0.0.1", hostname: "127.0.0.1", resourcePath: "", serverCertificateManager: manager,
    certificateFile: given.certificate, privateKeyFile: given.key,
    serverInfo: { applicationUri: "urn:counterpart:node-opcua" },
    allowAnonymous: true, maxConnectionsPerEndpoint: 100,
    userManager: { isValidUser: (user, password) => user === "gateway" && password === "right" },
    serverCapabilities: { maxSessions: 50, minSupportedSampleRate: 0, // 0: every change is delivered, none coalesced
      operationLimits: given.limits || {} },
    skipOwnNamespace: false,
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  for (const uri of given.before || []) space.registerNamespace(uri);
  const own = space.registerNamespace(given.namespace);
  folder = own.addFolder("ObjectsFolder", { browseName: "Plant" });
  for (const one of given.variables) addVariable(server, one);
  if (given.log && fs.existsSync(given.log)) {
    for (const line of fs.readFileSync(given.log, "utf8").split("\n")) {
      const [name, index, k, ms] = line.split(" ");
      if (!ms || !variables.has(name)) continue;
      produced.set(name, Number(k));
      put(name, "Double", Number(index) * 1e9 + Number(k), undefined, Number(ms));
    }
  }
  for (const one of given.ramps || []) ramp(one.name, one.index, one.period_ms);
  await server.start();
  http.createServer((request, response) => {
    let body = "";
    request.on("data", (part) => { body += part; });
    request.on("end", async () => {
      try {
        const answers = [];
        for (const one of JSON.parse(body)) answers.push(await order(server, one));
        response.end(JSON.stringify(answers));
      } catch (error) {
        response.statusCode = 500;
        response.end(String(error && error.stack));
      }
    });
  }).listen(given.control, "127.0.0.1");
  process.on("SIGTERM", () => process.exit(0));
})().catch((error) => { console.error(error); process.exit(1); });
