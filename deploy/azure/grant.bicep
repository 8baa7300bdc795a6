// A role on a resource group. site-recovery-roles.bicep uses it.

@description('Object ids of who gets it.')
param principals string[]

@description('The id of the role.')
param role string

resource granted 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in principals: {
  name: guid(resourceGroup().id, principal, role)
  properties: {
    principalId: principal
    roleDefinitionId: role
  }
}]
