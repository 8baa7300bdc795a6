{{- define "reprotect.services" -}}
validator,datastore,agentwatcher,executor,notifier,guard,journal
{{- end }}

{{- define "reprotect.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels by which the pods of a workload are found: dict "root" . "service" "validator" */}}
{{- define "reprotect.selector" -}}
app.kubernetes.io/name: reprotect
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "reprotect.labels" -}}
{{ include "reprotect.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "reprotect.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The Entra client id of a service; empty where there is none. */}}
{{- define "reprotect.clientID" -}}
{{- if eq .service "setup" -}}
{{ .root.Values.setup.clientID }}
{{- else -}}
{{ index .root.Values.azure.clientIDs .service | default .root.Values.azure.clientID }}
{{- end -}}
{{- end }}

{{/* reprotect.yaml of a role. A service alone has its own NATS user; admin sets the bus up. */}}
{{- define "reprotect.config" -}}
{{- $v := .root.Values -}}
{{- $config := deepCopy $v.config -}}
{{- $http := deepCopy ($config.http | default dict) -}}
{{- $_ := set $http "listen" "0.0.0.0:8480" -}}
{{- $_ := set $config "http" $http -}}
{{- $_ := set $config "dataDir" "/var/lib/reprotect" -}}
{{- if include "reprotect.journalAsked" .root -}}
{{- $_ := set $config "journal" (dict "listen" "0.0.0.0:8481" "url" (printf "http://%s-journal:8481" (include "reprotect.name" .root)) "tokenFile" "/run/secrets/journal/token") -}}
{{- end -}}
{{- if eq $v.bus.kind "nats" -}}
{{- $nats := dict "url" $v.bus.nats.url "replicas" $v.bus.nats.replicas "user" .role "inboxPrefix" (printf "_INBOX_%s" .role) "passwordFile" "/run/secrets/nats/password" -}}
{{- if $v.bus.nats.caSecret -}}
{{- $_ := set $nats "tls" (dict "caFile" "/run/secrets/nats-ca/ca.crt") -}}
{{- end -}}
{{- $_ := set $config "bus" (dict "nats" $nats) -}}
{{- else if eq $v.bus.kind "serviceBus" -}}
{{- $_ := set $config "bus" (dict "serviceBus" (dict "namespace" $v.bus.serviceBus.namespace)) -}}
{{- end -}}
{{ toYaml $config }}
{{- end }}

{{/* Not empty where services ask the journal in another pod: on Service Bus, which cannot be read again. */}}
{{- define "reprotect.journalAsked" -}}
{{- if and (eq .Values.mode "apart") (eq .Values.bus.kind "serviceBus") -}}yes{{- end -}}
{{- end }}

{{/* The names of the secrets that a role mounts, as JSON. */}}
{{- define "reprotect.secretsOf" -}}
{{- $mine := list -}}
{{- range $name, $s := .root.Values.secrets -}}
{{- if or (eq $.service "all") (not $s.services) (has $.service ($s.services | default list)) -}}
{{- $mine = append $mine $name -}}
{{- end -}}
{{- end -}}
{{ toJson $mine }}
{{- end }}

{{/* The pod of a workload: dict "root" . "service" NAME "role" NAME "program" … "args" … */}}
{{- define "reprotect.pod" -}}
{{- $v := .root.Values -}}
{{- $kept := or (eq .service "journal") (eq .service "all") -}}
{{- $mine := include "reprotect.secretsOf" . | fromJsonArray -}}
metadata:
  labels:
    {{- include "reprotect.labels" . | nindent 4 }}
    {{- if include "reprotect.clientID" . }}
    azure.workload.identity/use: "true"
    {{- end }}
  annotations:
    checksum/config: {{ include "reprotect.config" . | sha256sum }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "reprotect.name" .root }}-{{ .service }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 45 # handlers under way get 20 s
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- if ne .service "setup" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "reprotect.selector" . | nindent 10 }}
  {{- else }}
  restartPolicy: OnFailure
  {{- end }}
  {{- with $v.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .service }}
      image: {{ include "reprotect.image" .root }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      command: [{{ .program | quote }}]
      args: {{ toJson .args }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      {{- with $v.azure.credentialsSecret }}
      envFrom:
        - secretRef: {name: {{ . }}}
      {{- end }}
      {{- if ne .service "setup" }}
      ports:
        - {name: http, containerPort: 8480}
        {{- if and (eq .service "journal") (include "reprotect.journalAsked" .root) }}
        - {name: journal, containerPort: 8481}
        {{- end }}
      # A stand-by is ready to stand by: /ready says so, and a rolling update goes on.
      readinessProbe:
        httpGet: {path: /ready, port: http}
        periodSeconds: 5
        failureThreshold: 2
      livenessProbe:
        httpGet: {path: /live, port: http}
        periodSeconds: 10
        failureThreshold: 6
      startupProbe:
        httpGet: {path: /live, port: http}
        periodSeconds: 2
        failureThreshold: 60
      {{- end }}
      resources:
        {{- $own := index ($v.services | default dict) .service | default dict }}
        {{- toYaml ($own.resources | default $v.resources) | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/reprotect, readOnly: true}
        - {name: data, mountPath: /var/lib/reprotect}
        {{- if eq $v.bus.kind "nats" }}
        - {name: nats, mountPath: /run/secrets/nats, readOnly: true}
        {{- if $v.bus.nats.caSecret }}
        - {name: nats-ca, mountPath: /run/secrets/nats-ca, readOnly: true}
        {{- end }}
        {{- end }}
        {{- if include "reprotect.journalAsked" .root }}
        - {name: journal, mountPath: /run/secrets/journal, readOnly: true}
        {{- end }}
        {{- if $mine }}
        - {name: secrets, mountPath: /run/secrets/reprotect, readOnly: true}
        {{- end }}
  volumes:
    - name: config
      secret:
        secretName: {{ include "reprotect.name" .root }}-{{ .service }}
    {{- if not $kept }}
    - name: data
      emptyDir: {sizeLimit: 64Mi}
    {{- end }}
    {{- if eq $v.bus.kind "nats" }}
    - name: nats
      secret:
        secretName: {{ $v.bus.nats.passwordSecret }}
        defaultMode: 0440
        items: [{key: {{ .role }}, path: password}]
    {{- with $v.bus.nats.caSecret }}
    - name: nats-ca
      secret:
        secretName: {{ . }}
        items: [{key: ca.crt, path: ca.crt}]
    {{- end }}
    {{- end }}
    {{- if include "reprotect.journalAsked" .root }}
    - name: journal
      secret:
        secretName: {{ $v.bus.serviceBus.journalTokenSecret }}
        defaultMode: 0440
        items: [{key: token, path: token}]
    {{- end }}
    {{- if $mine }}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          {{- range $name := $mine }}
          {{- $s := index $v.secrets $name }}
          - secret:
              name: {{ $s.secret }}
              items: [{key: {{ $s.key | quote }}, path: {{ $name | quote }}}]
          {{- end }}
    {{- end }}
{{- end }}
