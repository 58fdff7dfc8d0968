{{/* What every server is told, with what the chart mounts and the values say; a value wins. */}}
{{- define "orleans-cache.settings" -}}
{{- $settings := dict -}}
{{- $_ := set $settings "ORLEANS_CACHE_LISTEN" "0.0.0.0:5751" -}}
{{- $_ := set $settings "ORLEANS_CACHE_S3_ACCESS_KEY_FILE" "/etc/orleans-cache/s3/access-key" -}}
{{- $_ := set $settings "ORLEANS_CACHE_S3_SECRET_KEY_FILE" "/etc/orleans-cache/s3/secret-key" -}}
{{- $_ := set $settings "ORLEANS_CACHE_S3_UPLOAD_ACCESS_KEY_FILE" "/etc/orleans-cache/s3/upload-access-key" -}}
{{- $_ := set $settings "ORLEANS_CACHE_S3_UPLOAD_SECRET_KEY_FILE" "/etc/orleans-cache/s3/upload-secret-key" -}}
{{- $_ := set $settings "ORLEANS_CACHE_SIGN_KEY" "/etc/orleans-cache/signing/key" -}}
{{- $_ := set $settings "ORLEANS_CACHE_SERVER_TOKEN_FILE" "/etc/orleans-cache/tokens/tokens" -}}
{{- $_ := set $settings "ORLEANS_CACHE_LOG" "json" -}}
{{- if .Values.silo.enabled -}}
{{- $_ := set $settings "ORLEANS_CACHE_CLUSTER_ID" .Values.silo.clusterId -}}
{{- $_ := set $settings "ORLEANS_CACHE_SILO_PORT" "11111" -}}
{{- if .Values.silo.tls -}}
{{- $_ := set $settings "ORLEANS_CACHE_SILO_TLS_CERT" "/etc/orleans-cache/silo-tls/tls.crt" -}}
{{- $_ := set $settings "ORLEANS_CACHE_SILO_TLS_KEY" "/etc/orleans-cache/silo-tls/tls.key" -}}
{{- $_ := set $settings "ORLEANS_CACHE_SILO_TLS_CA" "/etc/orleans-cache/silo-tls/ca.crt" -}}
{{- else -}}
{{- $_ := set $settings "ORLEANS_CACHE_SILO_PLAIN" "true" -}}
{{- end -}}
{{- else -}}
{{- $_ := set $settings "ORLEANS_CACHE_NO_SILO" "true" -}}
{{- end -}}
{{- $_ := set $settings "ORLEANS_CACHE_PUBLIC_URL" (printf "https://%s" .Values.ingress.host) -}}
{{- range $name, $value := .Values.settings -}}
{{- $_ := set $settings $name (toString $value) -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}
