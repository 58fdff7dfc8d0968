using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>The program itself against a server that answers what a test wants.</summary>
public sealed class GcCommandTests : IAsyncLifetime
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";

    private static readonly GcRun Started = new()
    {
        Id = 12,
        State = GcState.Running,
        Phase = "marking",
        Scheduled = false,
        DryRun = false,
        Started = new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero),
        OlderThanSeconds = 1,
        FailedUploadsOlderThanSeconds = 2,
        GraceSeconds = 3,
        Paths = 100,
        Objects = 300,
        FailedUploadsDeleted = 1,
        OldClosuresDeleted = 2,
        ObjectsMarkedForDeletion = 3,
        ObjectsDeletedAfterGracePeriod = 4,
        ObjectsFailedToDelete = 5,
        BytesFreed = 6_000_000,
    };

    private static readonly GcRun Done = Started with
    {
        State = GcState.Done,
        Phase = "deleting",
        Finished = Started.Started.AddMinutes(2)
    };

    private readonly List<(string Request, string Body)> _requests = [];
    private WebApplication _app = null!;

    private Func<string, HttpContext, Task> Answer { get; set; } = (_, _) => Task.CompletedTask;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            var request = $"{http.Request.Method} {http.Request.Path}{http.Request.QueryString}";
            lock (_requests)
                _requests.Add((request, reader.ReadToEndAsync().GetAwaiter().GetResult()));
            await Answer(request, http);
        });
        await _app.StartAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Gc_waits_for_the_end_and_prints_the_statistics_by_their_names()
    {
        var polls = 0;
        Answer = (request, http) => Json(http, request.StartsWith("POST", StringComparison.Ordinal) || ++polls < 2 ? Started : Done);

        var (code, output, errors) = await RunAsync("gc", "--older-than", "30d", "--failed-uploads-older-than", "90m", "--force");

        Assert.Equal(0, code);
        Assert.Equal("""
            failed-uploads-deleted              1
            old-closures-deleted                2
            objects-marked-for-deletion         3
            objects-deleted-after-grace-period  4
            objects-failed-to-delete            5
            bytes-freed                         6000000
            """, output.TrimEnd());
        Assert.Contains("run 12: marking  100 paths, 300 objects", errors, StringComparison.Ordinal);
        Assert.Equal(("POST /v1/caches/default/gc",
            """{"olderThanSeconds":2592000,"failedUploadsOlderThanSeconds":5400,"force":true,"dryRun":false}"""), _requests[0]);
    }

    [Fact]
    public async Task What_stays_in_a_versioned_bucket_is_told_beside_what_was_freed()
    {
        Answer = (_, http) => Json(http, Done with { KeepsOldVersions = true });

        var (code, output, _) = await RunAsync("gc");

        Assert.Equal(0, code);
        Assert.EndsWith(
            $"6000000\nThe bucket is versioned: what was deleted stays there as old versions, and takes its space, until the bucket's " +
            "lifecycle rule removes them.", output.TrimEnd(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(GcState.Failed, "Run 12 failed: the graph has a hole")]
    [InlineData(GcState.Cancelled, "Run 12 was cancelled")]
    [InlineData(GcState.Done, "Run 12 is done, but 5 objects could not be deleted. the graph has a hole")]
    public async Task A_run_that_does_not_end_well_exits_with_1(GcState state, string hint)
    {
        Answer = (_, http) => Json(http, Done with { State = state, Error = "the graph has a hole" });

        var (code, output, errors) = await RunAsync("gc", "--json");

        Assert.Equal(1, code);
        Assert.Contains(hint, errors, StringComparison.Ordinal);
        Assert.Equal(state, JsonSerializer.Deserialize(output, ProtocolJson.Default.GcRun)!.State);
    }

    [Fact]
    public async Task Without_waiting_it_says_that_the_run_is_under_way()
    {
        Answer = (_, http) => Json(http, Started);

        var (code, output, _) = await RunAsync("gc", "--no-wait");

        Assert.Equal(0, code);
        Assert.Contains("run 12 is under way", output, StringComparison.Ordinal);
        Assert.Single(_requests);
    }

    [Fact]
    public async Task An_interrupt_ends_the_waiting_and_not_the_run()
    {
        var polled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Answer = async (request, http) =>
        {
            if (request.StartsWith("GET", StringComparison.Ordinal))
                polled.TrySetResult();
            await Json(http, Started);
        };
        using var process = Start("gc");
        await polled.Task.WaitAsync(TimeSpan.FromSeconds(60));

        using (var kill = Process.Start("kill", ["-INT", $"{process.Id}"]))
            await kill.WaitForExitAsync();
        var (code, _, errors) = await EndAsync(process);

        Assert.Equal(130, code);
        Assert.Contains("run 12 goes on", errors, StringComparison.Ordinal);
        Assert.DoesNotContain(_requests, r => r.Request.EndsWith("/cancel", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--older-than 3600", "write 3600s for seconds")]
    [InlineData("--grace soon", "--grace is 'soon'")]
    [InlineData("--force --grace 1h", "give one of them")]
    [InlineData("history --limit 0", "a number from 1 to 100")]
    public async Task What_makes_no_sense_is_refused_before_the_server_is_asked(string arguments, string hint)
    {
        var (code, _, errors) = await RunAsync(["gc", .. arguments.Split(' ')]);

        Assert.Equal(2, code);
        Assert.Contains(hint, errors, StringComparison.Ordinal);
        Assert.Empty(_requests);
    }

    [Fact]
    public async Task Status_and_history_are_told()
    {
        Answer = (request, http) => request.Contains("/runs", StringComparison.Ordinal)
            ? Json(http, new GcHistory { Runs = [Started, Done with { Id = 11, Scheduled = true, DryRun = true }] })
            : Json(http, new GcStatus
            {
                Current = Started,
                Last = Done with { Id = 11 },
                Schedule = "30 3 * * *",
                Next = Started.Started,
                Started = new GcStartNote(12, Started.Started, "token:7"),
                Fired = new GcFiringNote(Started.Started, null, "Run 11 is under way.")
            });

        var (_, status, _) = await RunAsync("gc", "status");
        var (_, history, _) = await RunAsync("gc", "history", "-n", "5");

        Assert.Contains("current   run 12: marking, since 2026-05-01 00:00:00Z", status, StringComparison.Ordinal);
        Assert.Contains("last      run 11: done", status, StringComparison.Ordinal);
        Assert.Contains("schedule  30 3 * * * (UTC), next at 2026-05-01 00:00:00Z", status, StringComparison.Ordinal);
        Assert.Contains("fired     2026-05-01 00:00:00Z, and no run was started: Run 11 is under way.", status, StringComparison.Ordinal);
        Assert.Contains("started   run 12, 2026-05-01 00:00:00Z, by token:7", status, StringComparison.Ordinal);
        Assert.Equal(["RUN  STATE      STARTED               TOOK       BY        MARKED  DELETED  FREED",
            "12   marking    2026-05-01 00:00:00Z             request   3       4        6 MB",
            "11   dry, done  2026-05-01 00:00:00Z  2 min 0 s  schedule  3       4        6 MB"], history.TrimEnd().Split('\n'));
        Assert.Equal("GET /v1/caches/default/gc/runs?limit=5", _requests[^1].Request);
    }

    [Fact]
    public async Task Cancelling_when_nothing_runs_is_no_error()
    {
        Answer = async (_, http) =>
        {
            http.Response.StatusCode = 404;
            http.Response.ContentType = "application/problem+json";
            await http.Response.WriteAsync("""{"type":"urn:orleans-cache:error:unknown-gc-run","title":"No such run","status":404}""");
        };

        var (code, output, _) = await RunAsync("gc", "cancel");

        Assert.Equal((0, "no run is under way"), (code, output.TrimEnd()));
    }

    [Fact]
    public async Task Why_tells_the_chain_from_the_root()
    {
        var (system, hello) = (StorePath.Parse($"{Hash}-system"), StorePath.Parse($"1{Hash[1..]}-hello"));
        Answer = (_, http) =>
            Json(http, new WhyAnswer { Path = hello, State = "live", Root = new WhyRoot("pin", "main@3", null), Chain = [system, hello] });

        var (code, output, _) = await RunAsync("why", hello.BaseName);

        Assert.Equal(0, code);
        Assert.Equal($"{hello} is live, kept by pin main@3:\n  -> {system}\n  -> {hello}", output.TrimEnd());
        Assert.Equal($"GET /v1/caches/default/why/{hello.Hash}", _requests[0].Request);
    }

    [Fact]
    public async Task Upstream_status_names_what_an_upstream_has_lost_and_who_needs_it()
    {
        var (glibc, hello) = (StorePath.Parse($"{Hash}-glibc"), StorePath.Parse($"1{Hash[1..]}-hello"));
        Answer = (_, http) => Json(http, new UpstreamReport
        {
            Upstreams = ["https://cache.example.org key-1:AAAA"],
            Boundaries = 1200,
            LostCount = 1,
            Lost = [new LostBoundary { Path = glibc, Upstream = "https://cache.example.org", Since = Started.Started, Referrer = hello,
                Referrers = 3 }],
        });

        var (code, output, _) = await RunAsync("upstream", "status");

        Assert.Equal(0, code);
        Assert.Equal("GET /v1/caches/default/upstreams", _requests[0].Request);
        Assert.StartsWith("upstream    https://cache.example.org key-1:AAAA\nboundaries  1,200, 1 of them lost\n", output,
            StringComparison.Ordinal);
        Assert.Contains($"  {glibc}\n    not at https://cache.example.org since ", output, StringComparison.Ordinal);
        Assert.Contains($"; {hello.BaseName} and 2 other paths need it", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Why_tells_since_when_a_path_is_condemned_and_when_it_goes()
    {
        Answer = (_, http) => Json(http, new WhyAnswer
        {
            Path = StorePath.Parse($"{Hash}-hello"),
            State = "condemned",
            CondemnedAt = Started.Started,
            DeletedFrom = Started.Started.AddHours(6)
        });

        var (_, output, _) = await RunAsync("why", Hash);

        Assert.Equal(
            $"/nix/store/{Hash}-hello is condemned since 2026-05-01 00:00:00Z; a run from 2026-05-01 06:00:00Z on deletes it. A push or " +
            "a pin brings it back.", output.TrimEnd());
    }

    [Fact]
    public async Task Path_tells_who_brought_a_path_what_it_needs_and_who_brings_it()
    {
        var (system, hello) = (StorePath.Parse($"{Hash}-system"), StorePath.Parse($"1{Hash[1..]}-hello"));
        Answer = (_, http) => Json(http, new PathLife
        {
            Path = hello,
            State = "live",
            Publisher = "token:7",
            Group = "ci",
            Rank = 1,
            Declared = Started.Started,
            Nar = new PathNar { Hash = Sha256Hash.Compute([]), Size = 2000, FileSize = 900, Key = "nar/x.nar.zst", State = "live", Verification = "unverified" },
            References = [hello],
            ReferrerCount = 101,
            Referrers = [system],
            Pins = [new PathPin(PinName.Parse("main"), 3, true), new PathPin(PinName.Parse("old"), 2, false)],
            Uploads = [new PathUpload("token:8", Started.Started, 1500)],
            Waiting = 2,
        });

        var (code, output, _) = await RunAsync("path", hello.BaseName);

        Assert.Equal(0, code);
        Assert.Equal(
            $"""
            {hello} is live
            nar         {Sha256Hash.Compute([])}, 2 kB, unverified
            file        nar/x.nar.zst, live, 900 B
            publisher   token:7 (group ci, rank 1), since 2026-05-01T00:00:00Z
            pin         main@3
            pin         old@2, kept for a rollback
            upload      by token:8, since 2026-05-01T00:00:00Z, 1.5 kB
            waiting     2 pushes
            references  1
              {hello}
            referrers   101
              {system}
              …
            """, output.TrimEnd());
        Assert.Equal($"GET /v1/caches/default/paths/{hello.Hash}", _requests[0].Request);
    }

    [Fact]
    public async Task Path_tells_of_one_that_is_being_uploaded_for_the_first_time_as_JSON_too()
    {
        var life = new PathLife
        {
            Path = StorePath.Parse($"{Hash}-hello"),
            State = "gone",
            Uploads = [new PathUpload("token:8", Started.Started, 1)]
        };
        Answer = (_, http) => Json(http, life);

        var (_, output, _) = await RunAsync("path", Hash);
        var (_, json, _) = await RunAsync("path", Hash, "--json");

        Assert.Equal($"/nix/store/{Hash}-hello is not in the cache\nupload      by token:8, since 2026-05-01T00:00:00Z, 1 B", output.TrimEnd());
        Assert.Equal(life.Uploads, JsonSerializer.Deserialize(json, ProtocolJson.Default.PathLife)!.Uploads);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Fsck_lists_what_it_finds_and_exits_with_1(bool json)
    {
        Answer = (_, http) => http.Response.WriteAsync(
            $$"""
            {"kind":"missing-object","key":"{{Hash}}.narinfo","path":"{{Hash}}-hello","detail":"It is not there."}

            {"checked":{"keys":1200,"paths":1,"objects":2,"pins":0,"multiparts":0},"findings":1}

            """);

        var (code, output, _) = await RunAsync(json ? ["fsck", "--json"] : ["fsck"]);

        Assert.Equal(1, code);
        var lines = output.TrimEnd().Split('\n');
        if (json)
            Assert.Equal((FsckKind.MissingObject, 1L), (JsonSerializer.Deserialize(lines[0], ProtocolJson.Default.FsckFinding)!.Kind,
                JsonSerializer.Deserialize(lines[1], ProtocolJson.Default.FsckSummary)!.Findings));
        else
            Assert.Equal([$"missing-object  {Hash}.narinfo  hello  It is not there.",
                "1,200 keys, 1 path, 2 objects, 0 pins, 0 open multipart uploads: 1 finding"], lines);
    }

    [Fact]
    public async Task Fsck_of_a_sound_cache_exits_with_0()
    {
        Answer = (_, http) =>
            http.Response.WriteAsync("\n" + """{"checked":{"keys":1,"paths":1,"objects":1,"pins":0,"multiparts":0},"findings":0}""" + "\n");

        var (code, output, _) = await RunAsync("fsck");

        Assert.Equal(0, code);
        Assert.Contains("catalog and bucket agree", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_check_that_is_cut_off_says_so_and_exits_with_1(bool broken)
    {
        Answer = (_, http) =>
        {
            // More was announced than comes: the connection ends in the middle.
            if (broken)
                http.Response.ContentLength = 10_000;
            return http.Response.WriteAsync($$"""{"kind":"wrong-size","key":"nar/x","detail":"It has 1 bytes."}""" + "\n");
        };

        var (code, _, errors) = await RunAsync("fsck");

        Assert.Equal(1, code);
        Assert.Contains("cut off before its end", errors, StringComparison.Ordinal);
    }

    private static async Task Json<T>(HttpContext http, T value)
    {
        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(JsonSerializer.Serialize(value, typeof(T), ProtocolJson.Default));
    }

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        return await EndAsync(process);
    }

    private Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "orleans-cache"),
            [.. arguments, "--url", _app.Urls.First()])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in start.Environment.Keys.Where(n => n.StartsWith("ORLEANS_CACHE_", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        start.Environment["XDG_CONFIG_HOME"] = "/nowhere";
        return Process.Start(start)!;
    }

    private static async Task<(int Code, string Output, string Errors)> EndAsync(Process process)
    {
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        return (process.ExitCode, await output, await errors);
    }
}
