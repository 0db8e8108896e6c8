#!/bin/sh
# Writes a project of many small services into a folder. The same arguments give the same files.
set -eu

folder=${1:?usage: generate.sh FOLDER [SERVICES] [SERVICES PER TEAM]}
services=${2:-30}
per_team=${3:-5}

# Only what this script wrote is written over.
if [ -n "$(ls -A "$folder" 2>/dev/null)" ] &&
  ! grep -qs '^# Written by generate.sh' "$folder/wharf.yaml"; then
  echo "$folder is not empty, and not written by this script" >&2
  exit 1
fi
mkdir -p "$folder"
cd "$folder"
rm -rf services teams chart
mkdir -p chart/templates teams

cat >chart/Chart.yaml <<'END'
apiVersion: v2
name: team
description: The services of one team
type: application
version: 0.1.0
END
cat >chart/values.yaml <<'END'
# By name, each with an image and a number of replicas.
services: {}
END
cat >chart/templates/services.yaml <<'END'
{{- range $name, $service := .Values.services }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
spec:
  selector: {app: {{ $name }}}
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels: {app: {{ $name }}, team: {{ $.Release.Name }}}
spec:
  replicas: {{ $service.replicas | default 1 }}
  selector:
    matchLabels: {app: {{ $name }}}
  template:
    metadata:
      labels: {app: {{ $name }}, team: {{ $.Release.Name }}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: {{ $name }}
          image: "{{ $service.image.repository }}:{{ $service.image.tag }}"
          imagePullPolicy: IfNotPresent
          ports:
            - {name: http, containerPort: 8080}
          readinessProbe:
            httpGet: {path: /, port: http}
            periodSeconds: 1
          resources:
            requests: {cpu: 1m, memory: 4Mi}
{{- end }}
END

images=
releases=
team=0
number=0
while [ "$number" -lt "$services" ]; do
  if [ $((number % per_team)) = 0 ]; then
    team=$((team + 1))
    values=teams/team$team.yaml
    echo 'services:' >"$values"
    releases="$releases
  team$team: {chart: chart, values: [$values]}"
  fi
  number=$((number + 1))
  name=$(printf 's%02d' "$number")
  www=services/$name/www
  mkdir -p "$www/docs"
  echo "<h1>$name of team$team</h1>" >"$www/index.html"
  for page in 1 2 3 4 5 6 7 8 9; do
    echo "page $page of $name" >"$www/docs/$page.txt"
  done
  cat >"services/$name/Dockerfile" <<END
FROM busybox:1.36
COPY www /www
CMD ["httpd", "-f", "-v", "-p", "8080", "-h", "/www"]
END
  cat >>"$values" <<END
  $name:
    image: {repository: monorepo/$name, tag: latest}
END
  images="$images
  monorepo/$name: {context: services/$name}"
done

cat >wharf.yaml <<END
# Written by generate.sh: $services services, $per_team in a team.
name: monorepo

images:$images

releases:$releases

forward:
  - service/s01: 80
END
echo "$services services of $team teams in $folder"
