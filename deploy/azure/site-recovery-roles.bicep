// What the services may do with Azure Site Recovery: look at the vault, reprotect, refresh a configuration server,
// cancel a job; and see the Azure VMs of machines that were failed over. Deploy it to the vault's resource group.

@description('Name of the Recovery Services vault, in this resource group.')
param vaultName string

@description('Object ids under which the services run.')
param services string[]

@description('The resource groups, of this subscription, in which the Azure VMs of failed-over machines run.')
param machineResourceGroups string[]

// Site Recovery Operator, which fails over and back, and changes nothing else of the vault.
var siteRecoveryOperator = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '494ae006-db33-4328-bf46-533a6560a3ca')

resource vault 'Microsoft.RecoveryServices/vaults@2023-04-01' existing = {
  name: vaultName
}

resource servicesReprotect 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in services: {
  name: guid(vault.id, principal, siteRecoveryOperator)
  scope: vault
  properties: {
    principalId: principal
    roleDefinitionId: siteRecoveryOperator
  }
}]

module machines 'reader.bicep' = [for group in machineResourceGroups: {
  name: 'reprotect-reader-${uniqueString(group)}'
  scope: resourceGroup(group)
  params: {
    principals: services
  }
}]
