# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_wharf_global_optspecs
    string join \n f/file= p/profile= m/module= C/directory= context= n/namespace= v/verbose q/quiet json color= h/help V/version
end

function __fish_wharf_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_wharf_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_wharf_using_subcommand
    set -l cmd (__fish_wharf_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c wharf -n "__fish_wharf_needs_command" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_needs_command" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_needs_command" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_needs_command" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_needs_command" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_needs_command" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_needs_command" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_needs_command" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_needs_command" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_needs_command" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_needs_command" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_needs_command" -s V -l version -d 'Print version'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "dev" -d 'Build, deploy and follow every save; take it all back on Ctrl+C'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "run" -d 'Build and deploy once, and leave it running'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "build" -d 'Build the images whose content changed and print their references'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "deploy" -d 'Deploy images that are built already'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "apply" -d 'Apply manifests that were rendered before'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "render" -d 'Print the manifests that would be deployed'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "delete" -d 'Take back what `run` left or a crash interrupted'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "test" -d 'Run the tests of images that were built'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "verify" -d 'Run the verifications, in local containers or as Jobs'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "exec" -d 'Run a custom action, in local containers or as Jobs'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "status" -d 'Show what of the project runs, and how it is'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "logs" -d 'Show the logs of the project\'s containers, or of a build'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "trace" -d 'Show the last rounds of `dev`, stage by stage, and what is usual'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "bench" -d 'Edit a file again and again, and show how long each stage takes'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "init" -d 'Write a wharf.yaml for this folder, from what lies in it'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "config" -d 'Print the configuration in effect, each value with where it came from'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "doctor" -d 'Look at Docker, cluster, Helm and this machine, and say how to mend what is amiss'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "schema" -d 'Print the JSON Schema of wharf.yaml, for editors'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "completions" -d 'Print a shell\'s completions'
complete -c wharf -n "__fish_wharf_needs_command" -f -a "version" -d 'Print the version'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l cleanup -d 'On leaving, take back everything that was made' -r -f -a "true\t''
false\t''"
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l tail -d 'Show the logs of the project\'s containers' -r -f -a "true\t''
false\t''"
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l port-forward -d 'Open the project\'s local ports' -r -f -a "true\t''
false\t''"
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l platform -d 'Platform that images are built for, such as linux/arm64 [default: the nodes\']' -r
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l record -d 'Write the session\'s events to FILE, one JSON object per line, for a bug report' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand dev" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand dev" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand dev" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand dev" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand dev" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l keep-data -d 'On leaving, keep the claims for volumes and their data'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l rollback -d 'On leaving, take releases that were installed before back to the revision that was found'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l strict-helm -d 'Let every change go through `helm upgrade`, also one of images alone'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l manual -d 'Let saves wait until `r` is pressed'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l poll -d 'Look for changed files again and again, where the system tells of none (network folders)'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l no-cache -d 'Build every image anew, without any cache'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand dev" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand run" -l wait -d 'Wait until everything is ready' -r -f -a "true\t''
false\t''"
complete -c wharf -n "__fish_wharf_using_subcommand run" -l tail -d 'Then show the logs of the project\'s containers until Ctrl+C' -r -f -a "true\t''
false\t''"
complete -c wharf -n "__fish_wharf_using_subcommand run" -l port-forward -d 'Then keep the project\'s local ports open until Ctrl+C' -r -f -a "true\t''
false\t''"
complete -c wharf -n "__fish_wharf_using_subcommand run" -l platform -d 'Platform that images are built for, such as linux/arm64 [default: the nodes\']' -r
complete -c wharf -n "__fish_wharf_using_subcommand run" -l record -d 'Write the session\'s events to FILE, one JSON object per line, for a bug report' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand run" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand run" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand run" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand run" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand run" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand run" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand run" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand run" -l no-cache -d 'Build every image anew, without any cache'
complete -c wharf -n "__fish_wharf_using_subcommand run" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand run" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand run" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand run" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand build" -l file-output -d 'Also write the references to FILE, as JSON' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand build" -s o -l output -d 'Print the references by this Go template, such as \'{{json .}}\'' -r
complete -c wharf -n "__fish_wharf_using_subcommand build" -l platform -d 'Platform that images are built for, such as linux/arm64 [default: the nodes\']' -r
complete -c wharf -n "__fish_wharf_using_subcommand build" -l record -d 'Write the session\'s events to FILE, one JSON object per line, for a bug report' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand build" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand build" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand build" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand build" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand build" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand build" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand build" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand build" -l no-cache -d 'Build every image anew, without any cache'
complete -c wharf -n "__fish_wharf_using_subcommand build" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand build" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand build" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand build" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s a -l images -d 'Use the images of FILE, as `wharf build --file-output` wrote it; - is stdin; or NAME=IMAGE' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -l wait -d 'Wait until everything is ready' -r -f -a "true\t''
false\t''"
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -l record -d 'Write the session\'s events to FILE, one JSON object per line, for a bug report' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand deploy" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand apply" -l wait -d 'Wait until everything is ready' -r -f -a "true\t''
false\t''"
complete -c wharf -n "__fish_wharf_using_subcommand apply" -l record -d 'Write the session\'s events to FILE, one JSON object per line, for a bug report' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand apply" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand apply" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand apply" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand apply" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand apply" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand apply" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand apply" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand apply" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand apply" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand apply" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand apply" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand render" -s a -l images -d 'Use the images of FILE, as `wharf build --file-output` wrote it; - is stdin; or NAME=IMAGE' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand render" -s o -l output -d 'Write to FILE instead of stdout' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand render" -l platform -d 'Platform that tags are computed for, such as linux/arm64 [default: the nodes\']' -r
complete -c wharf -n "__fish_wharf_using_subcommand render" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand render" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand render" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand render" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand render" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand render" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand render" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand render" -l offline -d 'Ask neither the cluster nor the network'
complete -c wharf -n "__fish_wharf_using_subcommand render" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand render" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand render" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand render" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand delete" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand delete" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand delete" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand delete" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand delete" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand delete" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand delete" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand delete" -l keep-data -d 'Keep the claims for volumes and their data'
complete -c wharf -n "__fish_wharf_using_subcommand delete" -l dry-run -d 'Say what would be taken back, and change nothing'
complete -c wharf -n "__fish_wharf_using_subcommand delete" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand delete" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand delete" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand delete" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand test" -s a -l images -d 'Use the images of FILE, as `wharf build --file-output` wrote it; - is stdin; or NAME=IMAGE' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand test" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand test" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand test" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand test" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand test" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand test" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand test" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand test" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand test" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand test" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand test" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s a -l images -d 'Use the images of FILE, as `wharf build --file-output` wrote it; - is stdin; or NAME=IMAGE' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand verify" -l docker-network -d 'Network that local containers are in [default: Docker\'s own]' -r
complete -c wharf -n "__fish_wharf_using_subcommand verify" -l env-file -d 'File of variables for all containers, NAME=VALUE in each line' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand verify" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand verify" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand verify" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand verify" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s a -l images -d 'Use the images of FILE, as `wharf build --file-output` wrote it; - is stdin; or NAME=IMAGE' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand exec" -l docker-network -d 'Network that local containers are in [default: Docker\'s own]' -r
complete -c wharf -n "__fish_wharf_using_subcommand exec" -l env-file -d 'File of variables for all containers, NAME=VALUE in each line' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand exec" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand exec" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand exec" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand exec" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand status" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand status" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand status" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand status" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand status" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand status" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand status" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand status" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand status" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand status" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand status" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand logs" -l file -d 'Configuration file, instead of `wharf.yaml` in the folder' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand logs" -l since -d 'Only what is younger, such as 90s, 5m or 1h30m' -r
complete -c wharf -n "__fish_wharf_using_subcommand logs" -l build -d 'The log of the last build of this image' -r
complete -c wharf -n "__fish_wharf_using_subcommand logs" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand logs" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand logs" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand logs" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand logs" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand logs" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand logs" -s f -l follow -d 'Go on until Ctrl+C'
complete -c wharf -n "__fish_wharf_using_subcommand logs" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand logs" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand logs" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand logs" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s l -l last -d 'How many rounds; fifty are kept' -r
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand trace" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand trace" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand trace" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand trace" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand bench" -l edit -d 'The file to edit, and how often [default: 10]' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand bench" -l with -d 'A shell command that makes the edit, instead of a comment at the end of the file' -r -f -a "(__fish_complete_command)"
complete -c wharf -n "__fish_wharf_using_subcommand bench" -l platform -d 'Platform that images are built for, such as linux/arm64 [default: the nodes\']' -r
complete -c wharf -n "__fish_wharf_using_subcommand bench" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand bench" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand bench" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand bench" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand bench" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand bench" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand bench" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand bench" -l no-cache -d 'Build every image anew, without any cache'
complete -c wharf -n "__fish_wharf_using_subcommand bench" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand bench" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand bench" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wharf -n "__fish_wharf_using_subcommand init" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand init" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand init" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand init" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand init" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand init" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand init" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand init" -l force -d 'Replace a file that is there'
complete -c wharf -n "__fish_wharf_using_subcommand init" -l dry-run -d 'Print the file instead of writing it'
complete -c wharf -n "__fish_wharf_using_subcommand init" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand init" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand init" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand init" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand config" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand config" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand config" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand config" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand config" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand config" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand config" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand config" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand config" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand config" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand config" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand schema" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand schema" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand schema" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand schema" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand schema" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand schema" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand schema" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand schema" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand schema" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand schema" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand schema" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand completions" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand completions" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand completions" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand completions" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand completions" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand completions" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand completions" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand completions" -l dynamic -d 'A short script that asks wharf itself, which also knows images and releases'
complete -c wharf -n "__fish_wharf_using_subcommand completions" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand completions" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand completions" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand completions" -s h -l help -d 'Print help'
complete -c wharf -n "__fish_wharf_using_subcommand version" -s f -l file -d 'Configuration file, instead of `wharf.yaml` in the folder; - is stdin' -r -F
complete -c wharf -n "__fish_wharf_using_subcommand version" -s p -l profile -d 'Profile whose overrides apply; may be given several times, later ones win' -r
complete -c wharf -n "__fish_wharf_using_subcommand version" -s m -l module -d 'Module of `skaffold.yaml` with what it requires; may be given several times' -r
complete -c wharf -n "__fish_wharf_using_subcommand version" -s C -l directory -d 'Act as if started in this folder' -r -f -a "(__fish_complete_directories)"
complete -c wharf -n "__fish_wharf_using_subcommand version" -l context -d 'Context of the kubeconfig; also the permission for one that is not local' -r
complete -c wharf -n "__fish_wharf_using_subcommand version" -s n -l namespace -d 'Namespace of everything that names none itself' -r
complete -c wharf -n "__fish_wharf_using_subcommand version" -l color -d 'Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c wharf -n "__fish_wharf_using_subcommand version" -s v -l verbose -d 'Say more; -vv says what wharf\'s own parts do'
complete -c wharf -n "__fish_wharf_using_subcommand version" -s q -l quiet -d 'Say only failures, warnings and what was asked for'
complete -c wharf -n "__fish_wharf_using_subcommand version" -l json -d 'One JSON object per report on stdout, for programs'
complete -c wharf -n "__fish_wharf_using_subcommand version" -s h -l help -d 'Print help'
