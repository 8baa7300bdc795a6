// The role Reader on a resource group. site-recovery-roles.bicep uses it.

@description('Object ids of who may read.')
param principals string[]

var reader = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'acdd72a7-3385-48ef-bd42-f606fba81ae7')

resource groupIsRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in principals: {
  name: guid(resourceGroup().id, principal, reader)
  properties: {
    principalId: principal
    roleDefinitionId: reader
  }
}]
