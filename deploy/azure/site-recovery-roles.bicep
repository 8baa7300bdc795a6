// What the services may do with Azure Site Recovery, and no more: roles of their own, made from roles.json, and who has
// them. Deploy it to the vault's resource group.
//
// A test holds roles.json to what the product asks of Azure: it runs the services against a vault that refuses everything
// else, each under its own identity, and lists what nobody asked.

@description('Name of the Recovery Services vault, in this resource group.')
param vaultName string

@description('Object ids of everybody who looks at the vault: all services but notifier and journal, and people who run preflights.')
param services string[]

@description('Object ids under which the validator runs: it lets a configuration server report anew.')
param validators string[]

@description('Object ids under which the executor runs: it alone submits, and cancels.')
param executors string[]

@description('The resource groups, of this subscription, in which the Azure VMs of failed-over machines run, and those of log storage accounts.')
param machineResourceGroups string[]

var roles = loadJsonContent('roles.json')
var groups = map(machineResourceGroups, name => '${subscription().id}/resourceGroups/${name}')

resource vault 'Microsoft.RecoveryServices/vaults@2023-04-01' existing = {
  name: vaultName
}

resource look 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(vault.id, 'look')
  properties: {
    roleName: '${roles.look.name} ${vaultName}'
    description: roles.look.description
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [{ actions: roles.look.actions }]
  }
}

resource refresh 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(vault.id, 'refresh')
  properties: {
    roleName: '${roles.refresh.name} ${vaultName}'
    description: roles.refresh.description
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [{ actions: roles.refresh.actions }]
  }
}

resource reprotect 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(vault.id, 'reprotect')
  properties: {
    roleName: '${roles.reprotect.name} ${vaultName}'
    description: roles.reprotect.description
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [{ actions: roles.reprotect.actions }]
  }
}

resource surroundings 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(vault.id, 'surroundings')
  properties: {
    roleName: '${roles.surroundings.name} ${vaultName}'
    description: roles.surroundings.description
    type: 'CustomRole'
    assignableScopes: union([resourceGroup().id], groups)
    permissions: [{ actions: roles.surroundings.actions }]
  }
}

resource allLook 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in services: {
  name: guid(vault.id, principal, 'look')
  scope: vault
  properties: {
    principalId: principal
    roleDefinitionId: look.id
  }
}]

resource validatorsRefresh 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in validators: {
  name: guid(vault.id, principal, 'refresh')
  scope: vault
  properties: {
    principalId: principal
    roleDefinitionId: refresh.id
  }
}]

resource executorsReprotect 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in executors: {
  name: guid(vault.id, principal, 'reprotect')
  scope: vault
  properties: {
    principalId: principal
    roleDefinitionId: reprotect.id
  }
}]

module machines 'grant.bicep' = [for group in machineResourceGroups: {
  name: 'reprotect-surroundings-${uniqueString(group)}'
  scope: resourceGroup(group)
  params: {
    principals: services
    role: surroundings.id
  }
}]
