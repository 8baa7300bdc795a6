// Drives a vault through a whole reprotect with Azure's own library, as a stranger to this project would.
// Environment: ENDPOINT, TOKEN, SUBSCRIPTION, GROUP, VAULT, LOG_STORAGE. Prints what it saw as one line of JSON.
const { SiteRecoveryManagementClient } = require("@azure/arm-recoveryservices-siterecovery");

const { ENDPOINT, TOKEN, SUBSCRIPTION, GROUP, VAULT, LOG_STORAGE } = process.env;
const credential = { getToken: async () => ({ token: TOKEN, expiresOnTimestamp: Date.now() + 3600e3 }) };
const client = new SiteRecoveryManagementClient(credential, SUBSCRIPTION, { endpoint: ENDPOINT });

const all = async (pages) => {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
};
const at = (id) => {
  const parts = id.split("/");
  const after = (name) => parts[parts.findIndex((p) => p.toLowerCase() === name.toLowerCase()) + 1];
  return [after("replicationFabrics"), after("replicationProtectionContainers"), after("replicationProtectedItems")];
};

// what a reprotect of an item needs, from what the vault says
const inputOf = async (item) => {
  for (const listed of await all(client.replicationFabrics.list(VAULT, GROUP))) {
    const fabric = await client.replicationFabrics.get(VAULT, GROUP, listed.name);
    const details = fabric.properties.customDetails;
    const classic = item.properties.providerSpecificDetails.instanceType === "InMageAzureV2";
    if (classic && details.instanceType === "VMware") {
      const target = details.masterTargetServers.find((m) => m.osType === item.properties.providerSpecificDetails.osType);
      const mappings = await all(client.replicationProtectionContainerMappings.list(VAULT, GROUP));
      return {
        instanceType: "InMage", masterTargetId: target.id, processServerId: details.processServers[0].id,
        retentionDrive: target.retentionVolumes[0].volumeName, datastoreName: target.dataStores[0].symbolicName,
        profileId: mappings.find((m) => m.properties.policyFriendlyName.endsWith("-failback") && m.id.includes(listed.name)).properties.policyId,
      };
    }
    if (!classic && details.instanceType === "InMageRcm") {
      const agent = details.reprotectAgents[0];
      return { instanceType: "InMageRcm", reprotectAgentId: agent.id, datastoreName: agent.accessibleDatastores[0], logStorageAccountId: LOG_STORAGE };
    }
  }
  throw new Error("no fabric for " + item.name);
};

const main = async () => {
  const seen = [];
  for (const listed of await all(client.replicationProtectedItems.list(VAULT, GROUP))) {
    const place = at(listed.id);
    const item = await client.replicationProtectedItems.get(VAULT, GROUP, ...place);
    const input = { properties: { failoverDirection: "RecoveryToPrimary", providerSpecificDetails: await inputOf(item) } };
    const poller = await client.replicationProtectedItems.beginReprotect(VAULT, GROUP, ...place, input);
    let running;
    while (!poller.isDone()) {
      running = running ?? (await all(client.replicationJobs.list(VAULT, GROUP, { filter: "JobStatus eq 'InProgress'" })));
      await poller.poll();
    }
    const result = poller.getResult();
    const after = await client.replicationProtectedItems.get(VAULT, GROUP, ...place);
    let refused;
    try {
      await client.replicationProtectedItems.beginReprotect(VAULT, GROUP, ...place, input);
    } catch (e) {
      refused = e.statusCode;
    }
    seen.push({
      name: item.properties.friendlyName, before: item.properties.providerSpecificDetails.instanceType,
      result: result.id, after: after.properties.providerSpecificDetails.instanceType, disks: after.properties.providerSpecificDetails.protectedDisks.length,
      running: running.map((j) => j.properties.scenarioName), state: after.properties.protectionState, refused,
    });
  }
  console.log(JSON.stringify(seen));
};
main().catch((e) => {
  console.error(e);
  process.exit(1);
});
