// Drives a vault through a whole reprotect and the whole way home with Azure's own library, as a stranger to this project
// would: failback, its cancellation where there is one, failback again, commit, protection towards Azure again.
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

// what protects an item that is home towards Azure again, from what the vault says
const forwardOf = (before, home) => {
  const had = before.properties.providerSpecificDetails;
  return had.instanceType === "InMageAzureV2"
    ? { failoverDirection: "RecoveryToPrimary", providerSpecificDetails: {
        instanceType: "InMageAzureV2", masterTargetId: had.processServerId, processServerId: had.processServerId, runAsAccountId: "2", policyId: before.properties.policyId } }
    : { providerSpecificDetails: {
        instanceType: "InMageRcmFailback", processServerId: had.processServerId, runAsAccountId: had.runAsAccountId, policyId: home.properties.providerSpecificDetails.lastUsedPolicyId } };
};

const stands = (item) => `${item.properties.providerSpecificDetails.instanceType} ${item.properties.protectionState} ${item.properties.activeLocation}`;

// the way home of one item; returns where it stood after each step
const wayHome = async (place, before) => {
  const items = client.replicationProtectedItems;
  const item = () => items.get(VAULT, GROUP, ...place);
  const classic = before.properties.providerSpecificDetails.instanceType === "InMageAzureV2";
  const stood = [];
  const protectedAgain = async () => { // replication takes its time
    for (let n = 0; n < 100 && (await item()).properties.protectionState !== "Protected"; n++) await all(client.recoveryPoints.listByReplicationProtectedItems(VAULT, GROUP, ...place));
    stood.push(stands(await item()));
  };
  const step = async (begun) => {
    const poller = await begun;
    while (!poller.isDone()) await poller.poll();
    const result = poller.getResult();
    if (result.properties.friendlyName !== before.properties.friendlyName) throw new Error("the result is another item: " + result.id);
    stood.push(stands(await item()));
  };
  const failback = () => classic
    ? items.beginUnplannedFailover(VAULT, GROUP, ...place, { properties: { failoverDirection: "PrimaryToRecovery", sourceSiteOperations: "NotRequired", providerSpecificDetails: { instanceType: "InMage", recoveryPointType: "LatestTime" } } })
    : items.beginPlannedFailover(VAULT, GROUP, ...place, { properties: { providerSpecificDetails: { instanceType: "InMageRcmFailback", recoveryPointType: "CrashConsistent" } } });
  await protectedAgain();
  await step(failback());
  if (!classic) {
    await step(items.beginFailoverCancel(VAULT, GROUP, ...place));
    await step(failback());
  }
  await step(items.beginFailoverCommit(VAULT, GROUP, ...place));
  await step(items.beginReprotect(VAULT, GROUP, ...place, { properties: forwardOf(before, await item()) }));
  await protectedAgain();
  return stood;
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
      stood: await wayHome(place, item),
    });
  }
  console.log(JSON.stringify(seen));
};
main().catch((e) => {
  console.error(e);
  process.exit(1);
});
