// Azure Service Bus for Reprotect: the namespace, everything in it, and who may do what.
//
// What is in the namespace stands in topology.json: it is what 'reprotect bus setup --dry-run -o json' prints. Where
// reprotectd runs with --site, print it anew with the same --site. Deployed again, this changes nothing that others have
// added. It cannot remove rules: after an update of Reprotect, let 'reprotect bus setup' bring the namespace up to it.

@description('Name of the namespace. It becomes NAME.servicebus.windows.net, so nobody else may have it.')
@minLength(6)
@maxLength(50)
param namespaceName string

@description('Region of the namespace.')
param location string = resourceGroup().location

@description('Standard does. Premium has private endpoints and a capacity of its own; Basic has no topics.')
@allowed([
  'Standard'
  'Premium'
])
param sku string = 'Standard'

@description('Refuse connection strings, so that only the identities below come in.')
param disableLocalAuth bool = true

@description('Object ids of who administers the bus: reprotect bus setup, status, dead.')
param owners string[] = []

@description('Object ids under which the services run.')
param services string[] = []

@description('Object ids of who asks for reprotects: people, groups, pipelines.')
param ops string[] = []

@description('Object ids of the systems that audit: they read everything, from the subscriptions for audit.')
param audit string[] = []

type chatbot = {
  @description('Name of the subscription that is made for it.')
  subscription: string
  @description('Its object id.')
  principal: string
}

@description('Chat bots: each gets all notifications, in a subscription of its own.')
param chatbots chatbot[] = []

var commandsTopic = 'reprotect-commands'
var notificationsTopic = 'reprotect-notifications'
var auditSubscription = 'audit'

// Built-in roles.
var dataOwner = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '090c5cfd-751d-490a-894a-3ce6f1109419')
var dataSender = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39')
var dataReceiver = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0')

// any: what one entity has and another lacks is asked for below.
var topology = any(loadJsonContent('topology.json'))

// Resources have no nested loops: here is a row for each subscription, and one for each rule.
var subscriptionRows = flatten(map(topology.topics, topic => map(topic.subscriptions, item => { topic: topic.name, subscription: item })))
var filteredRows = filter(subscriptionRows, row => !empty(row.subscription.rules))
var ruleRows = flatten(map(filteredRows, row => map(row.subscription.rules, item => { topic: row.topic, subscription: row.subscription.name, rule: item })))

var topicNames = map(topology.topics, topic => topic.name)
var queueNames = map(topology.queues, queue => queue.name)
var subscriptionNames = map(subscriptionRows, row => '${row.topic}/${row.subscription.name}')
var auditNames = map(topicNames, topic => '${topic}/${auditSubscription}')

resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: namespaceName
  location: location
  sku: {
    name: sku
    tier: sku
  }
  properties: {
    disableLocalAuth: disableLocalAuth
    minimumTlsVersion: '1.2'
  }
}

resource topics 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = [for topic in topology.topics: {
  parent: bus
  name: topic.name
  properties: union({
    maxSizeInMegabytes: topic.maxSizeInMegabytes
    // Gives each step of a case one outcome. Commands have none: a second one of an id may say something else.
    requiresDuplicateDetection: contains(topic, 'duplicateDetectionHistoryTimeWindow')
  }, contains(topic, 'duplicateDetectionHistoryTimeWindow') ? { duplicateDetectionHistoryTimeWindow: topic.duplicateDetectionHistoryTimeWindow } : {})
}]

// One after the other: Azure refuses changes of one topic that come at the same time.
@batchSize(1)
resource subscriptions 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = [for row in subscriptionRows: {
  name: '${bus.name}/${row.topic}/${row.subscription.name}'
  properties: {
    lockDuration: row.subscription.lockDuration
    maxDeliveryCount: row.subscription.maxDeliveryCount
    defaultMessageTimeToLive: row.subscription.defaultMessageTimeToLive
    deadLetteringOnMessageExpiration: row.subscription.deadLetteringOnMessageExpiration
  }
  dependsOn: [
    topics
  ]
}]

@batchSize(1)
resource rules 'Microsoft.ServiceBus/namespaces/topics/subscriptions/rules@2024-01-01' = [for row in ruleRows: {
  name: '${bus.name}/${row.topic}/${row.subscription}/${row.rule.name}'
  properties: {
    filterType: 'CorrelationFilter'
    correlationFilter: union(
      contains(row.rule, 'label') ? { label: row.rule.label } : {},
      contains(row.rule, 'properties') ? { properties: row.rule.properties } : {}
    )
  }
  dependsOn: [
    subscriptions
  ]
}]

// Azure gives a new subscription a rule that takes everything. Where there are filters, it takes nothing once they are
// all there. 'reprotect bus setup' deletes it.
@batchSize(1)
resource nothingElse 'Microsoft.ServiceBus/namespaces/topics/subscriptions/rules@2024-01-01' = [for row in filteredRows: {
  name: '${bus.name}/${row.topic}/${row.subscription.name}/$Default'
  properties: {
    filterType: 'SqlFilter'
    sqlFilter: {
      sqlExpression: '1=0'
    }
  }
  dependsOn: [
    rules
  ]
}]

resource queues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for queue in topology.queues: {
  parent: bus
  name: queue.name
  properties: union({
    lockDuration: queue.lockDuration
    maxDeliveryCount: queue.maxDeliveryCount
    defaultMessageTimeToLive: queue.defaultMessageTimeToLive
    deadLetteringOnMessageExpiration: queue.deadLetteringOnMessageExpiration
    requiresSession: queue.requiresSession
    requiresDuplicateDetection: contains(queue, 'duplicateDetectionHistoryTimeWindow')
  }, contains(queue, 'duplicateDetectionHistoryTimeWindow') ? { duplicateDetectionHistoryTimeWindow: queue.duplicateDetectionHistoryTimeWindow } : {})
}]

@batchSize(1)
resource chatbotSubscriptions 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = [for bot in chatbots: {
  name: '${bus.name}/${notificationsTopic}/${bot.subscription}'
  properties: {
    defaultMessageTimeToLive: 'P14D' // a bot that is gone must not fill the topic
  }
  dependsOn: [
    subscriptions
  ]
}]

// Who may do what. Each grant reaches as far as one topic, subscription or queue, but for who administers.

resource owning 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in owners: {
  name: guid(bus.id, principal, dataOwner)
  scope: bus
  properties: {
    principalId: principal
    roleDefinitionId: dataOwner
  }
}]

// Services send to all topics, ops send to the one for commands and to no other: what stands in the others is believed.
// Who is both gets one grant: a second is an error.
var sendGrants = union(
  flatten(map(services, principal => map(topicNames, topic => { principal: principal, path: topic }))),
  map(ops, principal => { principal: principal, path: commandsTopic })
)

resource topicSenders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for grant in sendGrants: {
  name: guid(bus.id, grant.path, grant.principal, dataSender)
  scope: topics[indexOf(topicNames, grant.path)]
  properties: {
    principalId: grant.principal
    roleDefinitionId: dataSender
  }
}]

// Services listen to all subscriptions: to those for audit, and to the bot's, so that what is too old goes from there (Azure
// removes it only where somebody receives). Audit listens to its own.
var listenGrants = union(
  flatten(map(services, principal => map(subscriptionNames, path => { principal: principal, path: path }))),
  flatten(map(audit, principal => map(auditNames, path => { principal: principal, path: path })))
)

resource subscriptionListeners 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for grant in listenGrants: {
  name: guid(bus.id, grant.path, grant.principal, dataReceiver)
  scope: subscriptions[indexOf(subscriptionNames, grant.path)]
  properties: {
    principalId: grant.principal
    roleDefinitionId: dataReceiver
  }
}]

resource chatbotListeners 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (bot, i) in chatbots: {
  name: guid(bus.id, notificationsTopic, bot.subscription, bot.principal, dataReceiver)
  scope: chatbotSubscriptions[i]
  properties: {
    principalId: bot.principal
    roleDefinitionId: dataReceiver
  }
}]

// Only services use the queues: for what they are to see later, and for what one process at a time may do.
var queueGrants = flatten(map(services, principal => map(queueNames, name => { principal: principal, path: name })))

resource queueSenders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for grant in queueGrants: {
  name: guid(bus.id, 'queue', grant.path, grant.principal, dataSender)
  scope: queues[indexOf(queueNames, grant.path)]
  properties: {
    principalId: grant.principal
    roleDefinitionId: dataSender
  }
}]

resource queueListeners 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for grant in queueGrants: {
  name: guid(bus.id, 'queue', grant.path, grant.principal, dataReceiver)
  scope: queues[indexOf(queueNames, grant.path)]
  properties: {
    principalId: grant.principal
    roleDefinitionId: dataReceiver
  }
}]

@description('What goes into reprotect.yaml under bus.serviceBus.namespace.')
output host string = split(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':')[0]
