using System.Net;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Protocols.Niks3;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>Garbage collection as niks3's client asks for it and follows it, over a collector that does what the test says.</summary>
public class Niks3GcTests
{
    [Fact]
    public async Task A_run_is_started_and_told_in_its_words()
    {
        await using var gateway = await TestGateway.StartAsync();
        GcRequest? asked = null;
        gateway.Collection.OnStart = (request, _) =>
        {
            asked = request;
            return Run(request);
        };

        var answer = await Niks3Client.JsonAsync(await SendAsync(gateway, HttpMethod.Delete,
            "/api/closures?older-than=1h30m&failed-uploads-older-than=2h"), HttpStatusCode.Accepted);

        Assert.Equal<(double?, double?, double?, bool)>((5400, 7200, 7200, false),
            (asked!.OlderThanSeconds, asked.FailedUploadsOlderThanSeconds, asked.GraceSeconds, asked.Force));
        Assert.Equal(("running", "cleanup_pending_uploads"), ((string)answer["state"]!, (string)answer["phase"]!));
        Assert.Equal("""{"older_than":"90m","failed_uploads_older_than":"2h","force":false}""", answer["params"]!.ToJsonString());
        Assert.Equal(0, (int)answer["stats"]!["objects_deleted_after_grace_period"]!);
        Assert.Null(answer["finished_at"]);
    }

    [Theory]
    [InlineData("older-than=720h", 21600, 21600.0)]
    [InlineData("older-than=720h&pending-older-than=1h", 3600, 3600.0)]
    [InlineData("older-than=720h&failed-uploads-older-than=2h&pending-older-than=1h", 7200, 7200.0)]
    [InlineData("older-than=720h&force=true", 21600, null)]
    public async Task The_grace_is_the_age_of_failed_uploads(string query, double failed, double? grace)
    {
        await using var gateway = await TestGateway.StartAsync();
        GcRequest? asked = null;
        gateway.Collection.OnStart = (request, _) => Run(asked = request);

        using var answer = await SendAsync(gateway, HttpMethod.Delete, "/api/closures?" + query);

        Assert.Equal<(double?, double?, double?)>((720 * 3600, failed, grace),
            (asked!.OlderThanSeconds, asked.FailedUploadsOlderThanSeconds, asked.GraceSeconds));
    }

    [Theory]
    [InlineData("")]
    [InlineData("?older-than=5")]
    [InlineData("?older-than=-1h")]
    [InlineData("?older-than=1h&failed-uploads-older-than=x")]
    public async Task A_duration_that_is_none_is_refused(string query)
    {
        await using var gateway = await TestGateway.StartAsync();

        Assert.Equal(HttpStatusCode.BadRequest,
            (await Niks3Client.ErrorAsync(await SendAsync(gateway, HttpMethod.Delete, "/api/closures" + query))).Status);
    }

    [Fact]
    public async Task The_same_parameters_join_the_run_under_way_and_others_conflict_with_it()
    {
        await using var gateway = await TestGateway.StartAsync();
        var current = Run(new GcRequest { OlderThanSeconds = 3600, FailedUploadsOlderThanSeconds = 7200, GraceSeconds = 7200 });
        gateway.Collection.OnStart = (_, _) => throw new CacheProblemException(ProblemKind.GcRunning, "Run 1 is under way.");
        gateway.Collection.OnStatus = () => new GcStatus { Current = current };

        var joined = await Niks3Client.JsonAsync(await SendAsync(gateway, HttpMethod.Delete,
            "/api/closures?older-than=60m&failed-uploads-older-than=2h"), HttpStatusCode.Accepted);
        var conflict = await Niks3Client.JsonAsync(await SendAsync(gateway, HttpMethod.Delete,
            "/api/closures?older-than=2h&failed-uploads-older-than=2h"), HttpStatusCode.Conflict);
        var forced = await Niks3Client.JsonAsync(await SendAsync(gateway, HttpMethod.Delete,
            "/api/closures?older-than=1h&failed-uploads-older-than=2h&force=true"), HttpStatusCode.Conflict);

        Assert.Equal("running", (string)joined["state"]!);
        Assert.Equal("1h", (string)conflict["active_task"]!["params"]!["older_than"]!);
        Assert.NotEqual("", (string)forced["error"]!);
    }

    [Theory]
    [InlineData(GcState.Done, "succeeded")]
    [InlineData(GcState.Failed, "failed")]
    [InlineData(GcState.Cancelled, "failed")]
    public async Task The_status_is_that_of_the_last_run(GcState state, string told)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Collection.OnStatus = () => new GcStatus();
        Assert.Equal(HttpStatusCode.NotFound,
            (await Niks3Client.ErrorAsync(await SendAsync(gateway, HttpMethod.Get, "/api/gc/status"))).Status);
        gateway.Collection.OnStatus = () =>
            new GcStatus
            {
                Last = Run(new GcRequest { OlderThanSeconds = 1, FailedUploadsOlderThanSeconds = 1 }) with
                {
                    State = state,
                    Phase = "deleting",
                    Finished = DateTimeOffset.UnixEpoch,
                    ObjectsMarkedForDeletion = 7
                }
            };

        var status = await Niks3Client.JsonAsync(await SendAsync(gateway, HttpMethod.Get, "/c/default/api/gc/status"));

        Assert.Equal((told, "cleanup_orphan_objects", 7, "1970-01-01T00:00:00Z"), ((string)status["state"]!, (string)status["phase"]!,
            (int)status["stats"]!["objects_marked_for_deletion"]!, (string)status["finished_at"]!));
        Assert.Equal(state == GcState.Cancelled, (string?)status["error"] == "cancelled");
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("720h", 2_592_000)]
    [InlineData("1h30m", 5_400)]
    [InlineData("1.5h", 5_400)]
    [InlineData("1500ms", 1.5)]
    public void Durations_are_read_as_go_writes_them(string text, double seconds)
    {
        Assert.True(GoDuration.TryParse(text, out var duration));
        Assert.Equal(seconds, duration.TotalSeconds);
    }

    private static Task<HttpResponseMessage> SendAsync(TestGateway gateway, HttpMethod method, string path) =>
        gateway.SendAsync(method, path, ("Authorization", $"Bearer {TestGateway.Token}"));

    private static GcRun Run(GcRequest request) => new()
    {
        Id = 1,
        State = GcState.Running,
        Phase = "starting",
        Scheduled = false,
        DryRun = false,
        Started = DateTimeOffset.UnixEpoch,
        OlderThanSeconds = request.OlderThanSeconds ?? 0,
        FailedUploadsOlderThanSeconds = request.FailedUploadsOlderThanSeconds ?? 0,
        GraceSeconds = request.GraceSeconds ?? 0,
        Paths = 0,
        Objects = 0,
        FailedUploadsDeleted = 0,
        OldClosuresDeleted = 0,
        ObjectsMarkedForDeletion = 0,
        ObjectsDeletedAfterGracePeriod = 0,
        ObjectsFailedToDelete = 0,
        BytesFreed = 0,
    };
}
