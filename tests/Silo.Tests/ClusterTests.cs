using System.Net;
using System.Net.Http.Headers;
using System.Text;
using OrleansCache.Testing;

namespace OrleansCache.Silo.Tests;

/// <summary>Silos as processes. Nothing is said about how fast; how long a cluster needs is measured elsewhere.</summary>
public class ClusterTests
{
    [Fact]
    public async Task Two_silos_form_a_cluster_and_one_that_is_killed_is_declared_dead()
    {
        await using var cluster = await Cluster.StartAsync();
        await using var first = await cluster.AddAsync();
        await using var second = await cluster.AddAsync();
        await cluster.BecomesAsync((SiloStatus.Active, 2));

        await second.Kill9Async();

        await cluster.BecomesAsync((SiloStatus.Active, 1), (SiloStatus.Dead, 1));
        Assert.Equal("ok\n", await first.GetAsync("/readyz"));
        await using var third = await cluster.AddAsync();
        await cluster.BecomesAsync((SiloStatus.Active, 2), (SiloStatus.Dead, 1));
    }

    [Fact]
    public async Task A_silo_tells_how_many_silos_it_sees()
    {
        await using var cluster = await Cluster.StartAsync();
        await using var first = await cluster.AddAsync();
        await using var second = await cluster.AddAsync();

        var served = "";
        await Eventually.BecomesTrueAsync(
            async () => (served = await first.GetAsync("/metrics")).Split('\n').Contains("orleans_cache_silos{} 2"),
                describe: () => served);
    }

    [Fact]
    public async Task A_silo_that_starts_and_stops_in_order_warns_of_nothing()
    {
        await using var cluster = await Cluster.StartAsync();
        await using var silo = await cluster.AddAsync();

        Assert.Equal(0, await silo.TerminateAsync());

        // The database of tests does not sync, of which the server warns.
        Assert.DoesNotContain(silo.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries), line =>
            !line.Contains(" database[", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_silo_that_is_told_to_stop_leaves_and_nobody_complains()
    {
        await using var cluster = await Cluster.StartAsync();
        await using var first = await cluster.AddAsync();
        await using var second = await cluster.AddAsync();
        await cluster.BecomesAsync((SiloStatus.Active, 2));

        var exit = await second.TerminateAsync();

        Assert.Equal(0, exit);
        NoError(second);
        // By its own word: nobody had to suspect it.
        var left = Assert.Single(await cluster.MembersAsync(), m => m.Status == SiloStatus.Dead);
        Assert.DoesNotContain(left.SuspectTimes ?? [], s => !s.Item1.Equals(left.SiloAddress));
        Assert.Equal("ok\n", await first.GetAsync("/readyz"));
        Assert.Equal(0, await first.TerminateAsync());
        NoError(first);
    }

    [Fact]
    public async Task A_silo_that_comes_back_from_the_dead_ends_with_a_sentence()
    {
        await using var cluster = await Cluster.StartAsync();
        await using var first = await cluster.AddAsync();
        await using var second = await cluster.AddAsync();
        await cluster.BecomesAsync((SiloStatus.Active, 2));
        second.Pause();
        await cluster.BecomesAsync((SiloStatus.Active, 1), (SiloStatus.Dead, 1));

        second.Resume();

        Assert.Equal(1, await second.WaitAsync());
        Assert.Contains("\norleans-cache-server: This silo cannot be a member of its cluster any more and ends; start it again.",
            second.Errors, StringComparison.Ordinal);
        Assert.Equal("ok\n", await first.GetAsync("/readyz"));
    }

    [Fact]
    public async Task Clusters_of_two_names_share_a_database_and_nothing_else()
    {
        await using var cluster = await Cluster.StartAsync();
        await using var first = await cluster.AddAsync();
        await using var stranger = await cluster.AddAsync("--cluster-id", "strangers");

        Assert.Single(await cluster.MembersAsync());
        Assert.Equal("ok\n", await stranger.GetAsync("/readyz"));
    }

    [Fact]
    public async Task Through_a_transaction_pooling_proxy_a_cluster_forms_as_well()
    {
        await using var cluster = await Cluster.StartAsync(throughPgBouncer: true);
        await using var first = await cluster.AddAsync();
        await using var second = await cluster.AddAsync();

        await cluster.BecomesAsync((SiloStatus.Active, 2));
    }

    [Fact]
    public async Task The_dashboard_is_for_who_has_a_token_and_a_browser_is_asked_for_it()
    {
        await using var cluster = await Cluster.StartAsync();
        await using var silo = await cluster.AddAsync();
        var basic = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"anybody:{silo.Token}")));

        using var refused = await silo.GetWithAsync(null, "/dashboard/");
        using var wrong = await silo.GetWithAsync(new AuthenticationHeaderValue("Bearer", "wrong"), "/dashboard/ClusterStats");
        using var moved = await silo.GetWithAsync(basic, "/dashboard");
        using var page = await silo.GetWithAsync(basic, "/dashboard/");

        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (refused.StatusCode, wrong.StatusCode));
        Assert.Equal("Basic", refused.Headers.WwwAuthenticate.First().Scheme);
        Assert.Equal((HttpStatusCode.MovedPermanently, "./dashboard/"), (moved.StatusCode, moved.Headers.Location?.OriginalString));
        Assert.Equal((HttpStatusCode.OK, "text/html"), (page.StatusCode, page.Content.Headers.ContentType?.MediaType));
        // Its figures come every few seconds.
        var counters = "";
        await Eventually.BecomesTrueAsync(
            async () =>
            {
                using var answer = await silo.GetWithAsync(new AuthenticationHeaderValue("Bearer", silo.Token),
                    "/dashboard/DashboardCounters");
                counters = await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync();
                return counters.Contains("\"status\":\"Active\"", StringComparison.Ordinal);
            },
            describe: () => counters);
    }

    [Fact]
    public async Task A_server_alone_opens_no_port_for_silos_and_its_schedule_runs()
    {
        await using var tables = await ProviderTables.CreateAsync();
        await using var alone = await SiloProcess.StartAsync("--postgres", tables.Catalog, "--gc-schedule", "* * * * *");
        await using var other = await SiloProcess.StartAsync("--postgres", tables.Catalog);

        foreach (var server in (SiloProcess[])[alone, other])
        {
            await Eventually.BecomesTrueAsync(async () =>
                (await server.GetAsync("/metrics")).Contains("orleans_cache_silo_status{status=\"active\"} 1", StringComparison.Ordinal));
            Assert.Single(server.ListensOn());
        }

        await Eventually.BecomesTrueAsync(async () => (await tables.Reminders.ReadRows(0, 0)).Reminders.Count == 1);
        using var dashboard = await alone.GetWithAsync(new AuthenticationHeaderValue("Bearer", alone.Token), "/dashboard/");
        Assert.Equal(HttpStatusCode.NotFound, dashboard.StatusCode);
    }

    [Fact]
    public async Task A_server_alone_remembers_who_collected_last_when_it_starts_anew()
    {
        await using var tables = await ProviderTables.CreateAsync();
        long run;
        await using (var first = await SiloProcess.StartAsync("--postgres", tables.Catalog))
        {
            await ActiveAsync(first);
            run = (await first.AskAsync(HttpMethod.Post, "/gc")).GetProperty("id").GetInt64();
            Assert.Equal(0, await first.TerminateAsync());
        }

        Assert.Equal($"{run}", await tables.ScalarAsync("select document -> 'started' ->> 'run' from orleans.document"));
        await using var second = await SiloProcess.StartAsync("--postgres", tables.Catalog);
        await ActiveAsync(second);
        var started = (await second.AskAsync(HttpMethod.Get, "/gc")).GetProperty("started");

        Assert.Equal(run, started.GetProperty("run").GetInt64());
        Assert.StartsWith("file:", started.GetProperty("by").GetString(), StringComparison.Ordinal);

        static Task ActiveAsync(SiloProcess server) => Eventually.BecomesTrueAsync(async () => (await server.GetAsync("/metrics"))
            .Contains("orleans_cache_silo_status{status=\"active\"} 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_dashboard_there_is_none()
    {
        await using var cluster = await Cluster.StartAsync();
        await using var silo = await cluster.AddAsync("--dashboard", "false");

        using var answer = await silo.GetWithAsync(new AuthenticationHeaderValue("Bearer", silo.Token), "/dashboard/");

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task Silos_with_certificates_form_a_cluster_that_one_without_does_not_join()
    {
        using var certificates = new Certificates();
        await using var cluster = await Cluster.StartAsync();
        await using var first = await cluster.AddAsync(certificates.Options("one"));
        await using var second = await cluster.AddAsync(certificates.Options("two"));
        await cluster.BecomesAsync((SiloStatus.Active, 2));

        using var others = new Certificates();
        await using var plain = cluster.Launch();
        await using var forged = cluster.Launch(others.Options("three"));

        // They are turned away, again and again, and nobody is declared dead for it; what they serve, they serve alone.
        await Eventually.BecomesTrueAsync(() => plain.Serves && forged.Serves, TimeSpan.FromMinutes(2), () =>
            $"{plain.Errors}\n{forged.Errors}");
        Assert.All([plain, forged], alone =>
            Assert.Single(alone.Errors.Split('\n'), line => line.Contains("It serves without the cluster", StringComparison.Ordinal)));
        Assert.Equal(2, (await cluster.MembersAsync()).Count(m => m.Status == SiloStatus.Active));
        Assert.All(await Task.WhenAll(new[] { first, second, plain, forged }.Select(silo => silo.GetAsync("/readyz"))), answer =>
            Assert.Equal("ok\n", answer));
        Assert.DoesNotContain("orleans_cache_silo_status{status=\"active\"}", await plain.GetAsync("/metrics"), StringComparison.Ordinal);
    }

    private static void NoError(SiloProcess silo) =>
        Assert.DoesNotContain(silo.Errors.Split('\n'), line => line.Contains("Z fail: ", StringComparison.Ordinal)
            || line.Contains("Z crit: ", StringComparison.Ordinal) || line.StartsWith("Unhandled", StringComparison.Ordinal));
}
