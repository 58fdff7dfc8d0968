namespace OrleansCache.Cli.Commands;

/// <summary>What a command's help shows at its end, by the command's words.</summary>
internal static class Examples
{
    public static readonly IReadOnlyDictionary<string, string> All = new Dictionary<string, string>
    {
        [""] = """
              orleans-cache push ./result                     push what nix-build or nix build has just made
              orleans-cache push --pin app ./result           … and give it a name that deployments follow
              orleans-cache doctor                            why does it not work?
              source <(orleans-cache completion bash)         complete words in this shell

            Configuration file: ~/.config/orleans-cache/config, lines such as
              url        = https://cache.example.org
              token-file = ~/.config/orleans-cache/token
            """,
        ["push"] = """
              orleans-cache push ./result
              orleans-cache push $(nix-build --no-out-link)
              nix-store -qR --include-outputs app.drv | orleans-cache push --stdin
              orleans-cache push --exclude '*-secret' --max-nar-size 2G ./result
              orleans-cache push --pin app --keep-revisions 5 ./result
              orleans-cache push --level 9 --json ./result    smaller and slower; a line of JSON for a script

            Paths that the cache has are not sent again. A push that was interrupted goes on where it was.
            Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server, 4 not allowed, 130 interrupted.
            """,
        ["hook"] = """
              ln -s orleans-cache /usr/local/bin/orleans-cache-hook
              post-build-hook = /usr/local/bin/orleans-cache-hook      in nix.conf, as Nix passes no arguments

            Always exits with 0; what it cannot queue is found again in Nix's database by 'queue run'.
            """,
        ["queue run"] = """
              orleans-cache queue run                         in the foreground; the units start it when a hook runs
              orleans-cache queue run --watch-store           without a hook
            """,
        ["queue status"] = """
              orleans-cache queue status
              orleans-cache queue status --json | jq .waiting
            """,
        ["queue flush"] = """
              orleans-cache queue flush --wait                before a runner is thrown away
            """,
        ["watch-exec"] = """
              orleans-cache watch-exec -- nix-build -A app
              orleans-cache watch-exec --exclude '*-dbg' -- make ci

            What the command builds is pushed while it runs, also when it fails. Exits with the command's code.
            """,
        ["gc"] = """
              orleans-cache gc --dry-run                      what would go?
              orleans-cache gc                                with the server's retention, and wait for the end
              orleans-cache gc --older-than 30d --no-wait
              orleans-cache gc --force                        no grace period
              orleans-cache gc status
              orleans-cache gc history --json
              orleans-cache gc cancel

            Durations: 90s, 15m, 6h, 30d. Ctrl-C ends the waiting, not the run.
            Exit codes: 0 done, 1 the run failed or was cancelled, 2 wrong usage, 3 no server, 4 not allowed, 130 interrupted.
            """,
        ["path"] = """
              orleans-cache path ./result
              orleans-cache path 0c5b8vw40dy178xlpddw65q9gf1h2186 --json | jq -r '.referrers[]'
            """,
        ["why"] = """
              orleans-cache why ./result
              orleans-cache why /nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-hello-2.12
              orleans-cache why 0c5b8vw40dy178xlpddw65q9gf1h2186 --json
            """,
        ["fsck"] = """
              orleans-cache fsck
              orleans-cache fsck --json | jq -r .key          the keys in question

            Exit codes: 0 catalog and bucket agree, 1 they do not (or the check was cut off).
            """,
        ["pins"] = """
              orleans-cache push --pin app ./result           push and pin in one: either both or neither
              orleans-cache pins list
              nix-store -r $(curl -fsS https://cache.example.org/pins/app)

            A pin keeps its path, and all that it needs, in the cache until it is moved, deleted or expires.
            """,
        ["pins create"] = """
              orleans-cache pins create app ./result          makes the pin, or moves it
              orleans-cache pins create pr-123 ./result --expires 30d
              orleans-cache pins create app ./result --keep-revisions 5     so that a rollback finds its path
              orleans-cache pins create app ./result --if-revision 7        only if nobody has moved it meanwhile
            """,
        ["pins list"] = """
              orleans-cache pins list
              orleans-cache pins list --names-only | grep '^pr-'
              orleans-cache pins list --json
            """,
        ["pins show"] = """
              orleans-cache pins show app
            """,
        ["pins delete"] = """
              orleans-cache pins delete pr-123
            """,
        ["pins rollback"] = """
              orleans-cache pins rollback app                 to the path before
              orleans-cache pins rollback app 7               to that of revision 7 (see: pins show app)
            """,
        ["deploy"] = """
              orleans-cache deploy web --profile /nix/var/nix/profiles/system --switch 'bin/switch-to-configuration switch'
              orleans-cache deploy web --switch 'bin/activate' --health 'curl -fsS http://localhost/health' --health-timeout 2m
              orleans-cache deploy web --follow --interval 5m               for a unit: orleans-cache-deploy@web.service

            The commands find ORLEANS_CACHE_PIN, _PATH, _FORMER_PATH, _REVISION and _PROFILE in their environment.
            Exit codes: 0 in place, 1 failed, 2 wrong usage, 3 no server, 4 not allowed, 5 rolled back, 6 the rollback failed, 130 interrupted.
            """,
        ["deployments"] = """
              orleans-cache deployments
              orleans-cache deployments --pin web --behind
              orleans-cache deployments --json | jq '.deployments[] | select(.behind).machine'

            The token in use needs the scope pin.
            """,
        ["promote"] = """
              orleans-cache promote --from pr-17 --to default ./result
              orleans-cache promote --from team --to default --pin app      what the pin 'app' of 'team' leads to
              orleans-cache promote --from team --to default --pin app --dry-run

            The token in use needs the scope 'promote' in the one cache, and may read the other. Promoted again, nothing is done twice.
            """,
        ["conflicts"] = """
              orleans-cache conflicts                     what stages of the default cache say differently
              orleans-cache conflicts --cache main --all  and what lacks votes, or waits for what it needs

            The token in use needs the scope 'promote' in the cache that the stages are of.
            """,
        ["import"] = """
              orleans-cache import --source-key cache-1:BASE64 /srv/cache                 what 'nix copy --to file://' wrote
              orleans-cache import --source-key cache-1:BASE64 --pins 's3://cache?endpoint=s3.example.org&profile=old'
              orleans-cache import --source-key cache-1:BASE64 --path ./result https://old.example.org
              orleans-cache import --source-key cache-1:BASE64 --dry-run /srv/cache       how much is it?

            What the cache has is not sent again: run it as often as you like, also while the source is written.
            Exit codes: 0 all is there, 1 some paths were refused or it failed, 2 wrong usage, 3 no answer, 4 not allowed, 130 interrupted.
            """,
        ["tokens"] = """
              orleans-cache tokens create --name ci --scope push > ci-token
              orleans-cache tokens list
              orleans-cache tokens revoke ci

            The token in use needs the scope admin; the one that the server made at its first start has it.
            """,
        ["tokens create"] = """
              (umask 077; orleans-cache tokens create --name ci --scope push > ci-token)
              orleans-cache tokens create --name deploy --scope push,pin --pins 'prod-*' --expires 90d > deploy-token
              orleans-cache tokens create --name readers --scope read        to read from a private cache

            The secret is printed on standard output, once: nobody can be told it again.
            """,
        ["tokens list"] = """
              orleans-cache tokens list
              orleans-cache tokens list --revoked --json
            """,
        ["tokens revoke"] = """
              orleans-cache tokens revoke ci
              orleans-cache tokens revoke 7                   by its ID in the list
            """,
        ["caches"] = """
              orleans-cache caches create team --private
              orleans-cache caches set team --gc-older-than 90d --quota-bytes 500000000000
              orleans-cache push --cache team ./result

            The token in use needs the scope admin in all caches; the one that the server made at its first start has it.
            """,
        ["caches delete"] = """
              orleans-cache caches delete team                only when it is empty
              orleans-cache caches delete team --force        with all that it has
            """,
        ["keys"] = """
              orleans-cache keys list --cache team
              orleans-cache keys rotate --cache team          signs all anew; the old key is verifying once that has ended
              orleans-cache keys retire NAME --cache team     once no reader has it in trusted-public-keys
            """,
        ["whoami"] = """
              orleans-cache whoami
              orleans-cache whoami --token-file ./jwt --json
            """,
        ["oidc check"] = """
              orleans-cache oidc check ./jwt                  which rules match a job's token, and why the others do not
              printenv ID_TOKEN | orleans-cache oidc check -

            The token in use, which is not the one that is checked, needs the scope admin. Exits with 1 when no rule lets the token in.
            """,
        ["subjects block"] = """
              orleans-cache subjects block oidc:ci/1296269 --reason 'its runner was taken over'
              orleans-cache subjects block 'oidc:*1296269*'   whatever rules it matches
              orleans-cache subjects block token:7

            Every server refuses them from the next request on, and their open pushes end.
            """,
        ["subjects unblock"] = """
              orleans-cache subjects unblock oidc:ci/1296269
              orleans-cache subjects unblock 3                by its ID in the list
            """,
        ["audit"] = """
              orleans-cache audit
              orleans-cache audit --since 30d --by token:7    what one token did
              orleans-cache audit --action pin --json | jq -r .subject

            The token in use needs the scope admin.
            """,
        ["paths"] = """
              orleans-cache paths --by token:7
              orleans-cache paths --by token:7 --since 2d
            """,
        ["evict"] = """
              orleans-cache evict ./result                    what would go?
              orleans-cache evict ./result --reason 'built on a broken machine' --yes
              orleans-cache evict --by token:7 --since 2d     all that it published in two days

            What refers to the paths goes with them. The token in use needs the scope admin.
            """,
        ["bars"] = """
              orleans-cache bars list
              orleans-cache bars lift 3
            """,
        ["login"] = """
              orleans-cache login https://cache.example.org
              orleans-cache login https://cache.example.org --paste < token-file

            At an issuer that the server names, in a browser, after asking whether that is the right one; else with a token that is pasted.
            """,
        ["logout"] = """
              orleans-cache logout
              orleans-cache logout https://cache.example.org
            """,
        ["use"] = """
              orleans-cache use                               of the server of the only login
              sudo orleans-cache use https://cache.example.org
              orleans-cache use --remove https://cache.example.org

            What is written is shown first. Nix reads it with its next command, a daemon when it starts again.
            """,
        ["info"] = """
              orleans-cache info --url https://cache.example.org
              orleans-cache info --json
            """,
        ["doctor"] = """
              orleans-cache doctor
              orleans-cache doctor --url http://127.0.0.1:5751 --token-file ./token
            """,
        ["completion"] = """
              source <(orleans-cache completion bash)
              orleans-cache completion fish > ~/.config/fish/completions/orleans-cache.fish
            """,
    };
}
