using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Embedded;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Tests.Embedded;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Hosting;

public class ConfigurationTests
{
    [Theory]
    [InlineData("--nonsense", "--nonsense")]
    [InlineData("--data", "--data")]
    [InlineData("stray", "stray")]
    [InlineData("--listen 5751", "address and a port")]
    [InlineData("--listen cache.example.org:80", "address and a port")]
    [InlineData("--listen 127.0.0.1:99999", "address and a port")]
    [InlineData("--listen 0.0.0.0:0", "--public-url")]
    [InlineData("--public-url cache.example.org", "--public-url is 'cache.example.org'")]
    [InlineData("--public-url ftp://x", "--public-url")]
    [InlineData("--tls-cert /etc/hostname", "--tls-key is missing")]
    [InlineData("--tls-key /etc/hostname", "--tls-cert is missing")]
    [InlineData("--tls-cert a --tls-key b --public-url http://cache.example.org", "write https:// there")]
    [InlineData("--tls-client-ca /etc/hostname", "no certificate could arrive")]
    [InlineData("--proxy-address 10.0.0.0/8 --proxy-cert-header X-Cert", "--proxy-cert-header is given without --tls-client-ca")]
    [InlineData("--tls-client-ca /etc/hostname --proxy-cert-header X-Cert", "--proxy-cert-header is given without --proxy-address")]
    [InlineData("--tls-client-ca x --proxy-cert-header X:Cert --proxy-address ::1", "--proxy-cert-header is 'X:Cert'")]
    [InlineData("--proxy-address proxy.example.org", "--proxy-address has 'proxy.example.org'")]
    [InlineData("--proxy-address 10.0.0.1,", "--proxy-address has ''")]
    [InlineData("--priority many", "--priority is 'many'")]
    [InlineData("--priority -1", "--priority is '-1'")]
    [InlineData("--log xml", "json or text")]
    [InlineData("--sign-key /nonexistent", "/nonexistent of --sign-key cannot be read")]
    [InlineData("--sign-key /etc/hostname", "holds no signing key")]
    [InlineData("--sign-key /etc/hostname --no-sign", "exclude each other")]
    [InlineData("--sign-command cat --no-sign", "--sign-command and --no-sign exclude each other")]
    [InlineData("--trusted-public-key x", "--trusted-public-key is 'x'")]
    [InlineData("--s3-region here", "--s3-region is given without --s3-bucket")]
    [InlineData("--s3-bucket b --s3-endpoint nowhere", "--s3-endpoint is 'nowhere'")]
    [InlineData("--s3-bucket b --s3-endpoint http://s3:80/b/", "ends with the bucket: give the URL of the store alone, http://s3;")]
    [InlineData("--s3-bucket b --s3-upload-endpoint https://s3/x/b", "give the URL of the store alone, https://s3/x;")]
    [InlineData("--s3-bucket b --s3-prefix /a//b/", "Give 'a/b'")]
    [InlineData("--s3-upload-endpoint http://s3", "--s3-upload-endpoint is given without --s3-bucket")]
    [InlineData("--s3-bucket b --s3-upload-endpoint s3:80", "--s3-upload-endpoint is 's3:80'")]
    [InlineData("--s3-bucket b --s3-access-key-file /etc/hostname", "belong together")]
    [InlineData("--s3-bucket b --s3-access-key-file /nonexistent --s3-secret-key-file /nonexistent", "cannot be read")]
    [InlineData("--s3-bucket b --s3-upload-access-key-file /etc/hostname",
        "--s3-upload-access-key-file and --s3-upload-secret-key-file belong together")]
    [InlineData("--s3-upload-secret-key-file /etc/hostname", "--s3-upload-secret-key-file is given without --s3-bucket")]
    [InlineData("--s3-bucket b --s3-read-access-key-file /etc/hostname",
        "--s3-read-access-key-file and --s3-read-secret-key-file belong together")]
    [InlineData("--gc-schedule daily", "--gc-schedule 'daily' has 1 fields")]
    [InlineData("--gc-jitter 5m", "--gc-jitter is given without --gc-schedule")]
    [InlineData("--gc-older-than 3600", "write 3600s for seconds")]
    [InlineData("--gc-failed-uploads-older-than soon", "--gc-failed-uploads-older-than is 'soon'")]
    [InlineData("--gc-grace -1h", "--gc-grace is '-1h'")]
    [InlineData("--audit-days 1y", "--audit-days is '1y'")]
    [InlineData("--audit-days -1", "a number of days")]
    [InlineData("--audit-days 36501", "up to 36500")]
    [InlineData("--quota-pushes many", "--quota-pushes is 'many'")]
    [InlineData("--quota-group-stored-gib 9999999999", "--quota-group-stored-gib is '9999999999'")]
    [InlineData("--limit-json-mib 0", "--limit-json-mib is '0'")]
    [InlineData("--limit-requests many", "a number from 0 to")]
    [InlineData("--limit-stall 1s", "at least 2s")]
    [InlineData("--limit-stall 30", "write 30s for seconds")]
    public void A_bad_flag_is_told_in_a_sentence_that_names_it(string arguments, string hint)
    {
        var line = new CommandLine();

        var e = Assert.Throws<StartupException>(() => line.Settings(line.Root.Parse(arguments.Split(' ')), _ => null));

        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("--priority x")]
    [InlineData("--nonsense")]
    [InlineData("--gc-schedule 61")]
    [InlineData("--token-file /nonexistent --data DATA --listen 127.0.0.1:0")]
    [InlineData("--data /proc/nowhere --listen 127.0.0.1:0")]
    [InlineData("--tls-cert /etc/hostname --tls-key /nonexistent --data DATA --listen 127.0.0.1:0")]
    [InlineData("--listen 192.0.2.1:0 --data DATA")]
    [InlineData("--postgres nonsense --data DATA --listen 127.0.0.1:0")]
    [InlineData("--postgres Host=/nonexistent;Username=x --data DATA --listen 127.0.0.1:0")]
    [InlineData("--postgres Host=127.0.0.1;Port=1;Username=x --data DATA --listen 127.0.0.1:0")]
    [InlineData("--postgres Host=127.0.0.1;Port=1;Username=x --migrate")]
    public async Task A_server_that_cannot_start_says_so_in_one_line_and_exits_2(string arguments)
    {
        using var folder = new TempFolder();

        var (exit, output, errors) = await ServerProcess.RunAsync(null,
            [.. arguments.Split(' ').Select(a => a.Replace("DATA", folder["data"], StringComparison.Ordinal))]);

        Assert.Equal((2, ""), (exit, output));
        EmbeddedServerTests.Sentence(errors);
    }

    [Fact]
    public async Task A_bad_value_in_the_environment_exits_2_as_well()
    {
        var (exit, _, errors) = await ServerProcess.RunAsync(new Dictionary<string, string?> { ["ORLEANS_CACHE_PRIORITY"] = "high" });

        Assert.Equal(2, exit);
        Assert.Contains("'high'", EmbeddedServerTests.Sentence(errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bucket_for_which_no_keys_are_found_is_told_in_one_line()
    {
        using var folder = new TempFolder();
        var environment = new Dictionary<string, string?>
        {
            ["HOME"] = folder.Path,
            ["AWS_EC2_METADATA_DISABLED"] = "true",
            ["AWS_ACCESS_KEY_ID"] = null,
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = null,
        };

        var (exit, _, errors) = await ServerProcess.RunAsync(
            environment, "--data", folder["data"], "--listen", "127.0.0.1:0", "--s3-bucket", "closures", "--s3-endpoint",
            "http://127.0.0.1:1");

        Assert.Equal(2, exit);
        Assert.Contains("The object store cannot be used: no keys for S3: give an access key and a secret key",
            EmbeddedServerTests.Sentence(errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migrate_brings_the_database_up_to_date_says_what_it_did_and_ends()
    {
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();

        var first = await ServerProcess.RunAsync(null, "--migrate", "--postgres", database);
        var second = await ServerProcess.RunAsync(null, "--migrate", "--postgres", database);

        Assert.Equal((0, ""), (first.Exit, first.Errors));
        Assert.StartsWith("applied 001-catalog\napplied 002-", first.Output, StringComparison.Ordinal);
        Assert.Contains("\nmade the functions orleans_cache_", first.Output, StringComparison.Ordinal);
        Assert.EndsWith("\nThe database is up to date.\n", first.Output, StringComparison.Ordinal);
        Assert.Equal((0, "The database is up to date.\n", ""), second);
    }

    [Fact]
    public async Task Migrate_without_a_PostgreSQL_of_one_s_own_migrates_the_private_one()
    {
        using var folder = new TempFolder();

        var (exit, output, _) = await ServerProcess.RunAsync(null, "--migrate", "--data", folder["data"]);

        Assert.Equal(0, exit);
        Assert.EndsWith("\nThe database is up to date.\n", output, StringComparison.Ordinal);
        await using var server = await ServerProcess.StartAsync(folder["data"]);
    }

    [Fact]
    public async Task Help_lists_every_option()
    {
        var (exit, output, _) = await ServerProcess.RunAsync(null, "--help");

        Assert.Equal(0, exit);
        Assert.All(new CommandLine().Root.Options, option => Assert.Contains(option.Name, output, StringComparison.Ordinal));
    }

    [Fact]
    public void A_flag_wins_over_the_environment_and_the_environment_over_the_default()
    {
        var environment = new Dictionary<string, string>
        {
            ["ORLEANS_CACHE_PRIORITY"] = "11",
            ["ORLEANS_CACHE_LISTEN"] = "[::1]:80",
            ["ORLEANS_CACHE_PRIVATE"] = "true",
            ["ORLEANS_CACHE_NO_SIGN"] = "true",
            ["ORLEANS_CACHE_S3_BUCKET"] = "closures",
            ["ORLEANS_CACHE_LOG"] = "",
        };
        var line = new CommandLine();

        var settings = line.Settings(line.Root.Parse(["--priority", "7", "--s3-path-style"]), environment.GetValueOrDefault);

        Assert.Equal((7, "[::1]:80", true, false), (settings.Priority, settings.Listen.ToString(), settings.IsPrivate, settings.LogsJson));
        Assert.Empty(settings.SigningKeys!);
        Assert.Equal(("closures", true), (settings.S3!.Bucket, settings.S3.PathStyle));
    }

    [Fact]
    public void The_collector_runs_when_it_is_asked_until_a_schedule_is_given()
    {
        var line = new CommandLine();
        var now = new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

        var unasked = line.Settings(line.Root.Parse([]), _ => null).Gc;
        var scheduled = line.Settings(line.Root.Parse(
            ["--gc-schedule", " 30 3 * * sun ", "--gc-jitter", "10m", "--gc-older-than", "30d", "--gc-failed-uploads-older-than", "90m",
                "--gc-grace", "0s"]), _ => null).Gc;

        Assert.Equal((null, TimeSpan.FromHours(720), TimeSpan.FromHours(6), TimeSpan.FromHours(6)),
            (unasked.Schedule, unasked.OlderThan, unasked.FailedUploadsOlderThan, unasked.Grace));
        Assert.Equal("garbage collection: only when asked; --gc-schedule turns it on", GcSettings.Describe(unasked, now));
        Assert.Equal(("30 3 * * sun", TimeSpan.FromMinutes(10), TimeSpan.FromDays(30)),
            (scheduled.Schedule, scheduled.Jitter, scheduled.OlderThan));
        Assert.Equal((TimeSpan.FromMinutes(90), TimeSpan.Zero), (scheduled.FailedUploadsOlderThan, scheduled.Grace));
        Assert.Equal(
            "garbage collection: '30 3 * * sun' (UTC), next at 2026-05-03 03:30:00Z; closures are kept for 30d after their last push",
            GcSettings.Describe(scheduled, now));
    }

    [Theory]
    [InlineData(null, 400)]
    [InlineData("30", 30)]
    [InlineData("0", null)]
    public void The_audit_log_is_kept_for_400_days_or_as_is_said(string? given, int? days)
    {
        var line = new CommandLine();

        var settings = line.Settings(line.Root.Parse([]), name => name == "ORLEANS_CACHE_AUDIT_DAYS" ? given : null);

        Assert.Equal(days, settings.AuditLife?.TotalDays);
    }

    [Fact]
    public void Quotas_are_none_until_they_are_given()
    {
        var line = new CommandLine();

        Assert.Equal(new Quotas(), line.Settings(line.Root.Parse([]), _ => null).Quotas);
        Assert.Equal(
            new Quotas
            {
                Publisher = new QuotaLimits { OpenPushes = 1, ClaimedBytes = 2L << 30, StoredBytes = 3L << 30, Roots = 4 },
                Group = new QuotaLimits { OpenPushes = 5, ClaimedBytes = 6L << 30, StoredBytes = 7L << 30, Roots = 8 },
            },
            line.Settings(line.Root.Parse([
                "--quota-pushes", "1", "--quota-uploads-gib", "2", "--quota-stored-gib", "3", "--quota-roots", "4",
                "--quota-group-pushes", "5", "--quota-group-uploads-gib", "6", "--quota-group-stored-gib", "7", "--quota-group-roots",
                "8"]), _ => null).Quotas);
    }

    [Fact]
    public void Several_keys_are_read_from_their_files()
    {
        using var folder = new TempFolder();
        var keys = new[] { SecretKey.Generate("a-1"), SecretKey.Generate("b-1") };
        for (var i = 0; i < keys.Length; i++)
            File.WriteAllText(folder[i.ToString(CultureInfo.InvariantCulture)], keys[i].Export() + "\n");
        var line = new CommandLine();

        var settings = line.Settings(line.Root.Parse(["--sign-key", folder["0"], "--sign-key", folder["1"], "--trusted-public-key",
            keys[0].PublicKey.ToString()]), _ => null);

        Assert.Equal(keys.Select(k => k.PublicKey), settings.SigningKeys!.Select(k => k.PublicKey));
        Assert.Equal([keys[0].PublicKey], settings.TrustedKeys);
    }

    [Fact]
    public async Task A_token_file_holds_one_token_a_line()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["tokens"], "# old\nthe-first-of-two-tokens\n\n  the-second-of-two-tokens  \n");
        File.WriteAllText(folder["none"], "# nothing\n\n");

        var tokens = TokenFile.Read(folder["tokens"], privateReads: false);

        foreach (var good in new[] { "the-first-of-two-tokens", "the-second-of-two-tokens" })
            Assert.Equal(Scopes.All, (await tokens.FindAsync(good, CacheName.Default, CancellationToken.None))?.Scopes);
        foreach (var bad in new[] { "# old", "" })
            Assert.Null(await tokens.FindAsync(bad, CacheName.Default, CancellationToken.None));
        Assert.Equal(Credential.AnonymousId, (await tokens.FindAsync(null, CacheName.Default, CancellationToken.None))?.Id);
        Assert.Throws<StartupException>(() => TokenFile.Read(folder["none"], privateReads: false));
    }

    [Fact]
    public void A_token_that_could_be_guessed_is_refused_at_start()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["tokens"], "a-token-that-is-long-enough\n1234567890123456789\n");

        var refused = Assert.Throws<StartupException>(() => TokenFile.Read(folder["tokens"], privateReads: false));

        Assert.Contains("19 characters", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("1234567890123456789", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_runs_postgresql()
    {
        string[] accounts = ["root:x:0:0::/root:/bin/sh", "nobody:x:65534:65533::/:/bin/false"];
        string[] withPostgres = [.. accounts, "postgres:x:26:27::/:/bin/false"];

        Assert.Equal(new PostgresUser(26, 27), PostgresUser.Choose(null, "/data", withPostgres));
        Assert.Equal(new PostgresUser(26, 27), PostgresUser.Choose(new PostgresUser(0, 0), "/data", withPostgres));
        Assert.Equal(new PostgresUser(1000, 100), PostgresUser.Choose(new PostgresUser(1000, 100), "/data", accounts));
        Assert.Contains("no user 'postgres'", Assert.Throws<StartupException>(() => PostgresUser.Choose(null, "/data", accounts)).Message,
            StringComparison.Ordinal);
        Assert.Contains("chown -R postgres: /data", Assert.Throws<StartupException>(() =>
            PostgresUser.Choose(new PostgresUser(65534, 65533), "/data", withPostgres)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Limits_have_defaults_and_are_taken_from_their_options()
    {
        var line = new CommandLine();

        var defaults = line.Settings(line.Root.Parse([]), _ => null).Limits;
        var given = line.Settings(line.Root.Parse(["--limit-json-mib", "1", "--limit-requests", "7", "--limit-stall", "2m",
            "--limit-references", "9"]),
            _ => null).Limits;

        Assert.Equal(new RequestLimits(), defaults);
        Assert.Equal((1 << 20, 7, 28, TimeSpan.FromMinutes(2), 9),
            (given.JsonBytes, given.RequestRate, given.RequestBurst, given.Stall, given.References));
    }

    [Theory]
    [InlineData("curl/8.14.1 Nix/2.8.0", true)]
    [InlineData("curl/8.14.1 Nix/2.33.1", true)]
    [InlineData("curl/8.14.1 Nix/2.33.2", false)]
    [InlineData("curl/8.14.1 Nix/2.34.0pre20260101_abcdef", false)]
    [InlineData("curl/8.14.1 Nix/2.35", false)]
    [InlineData("curl/8.14.1 Nix/2.33", true)]
    [InlineData("Nix/", true)]
    [InlineData("curl/8.14.1 Lix/2.90", true)]
    [InlineData("MyNix/1.0", false)]
    [InlineData("", false)]
    public void A_Nix_that_repeats_a_PUT_without_its_body_is_told_by_its_User_Agent(string userAgent, bool isOld) =>
        Assert.Equal(isOld, NixUserAgent.IsOld(userAgent));
}
