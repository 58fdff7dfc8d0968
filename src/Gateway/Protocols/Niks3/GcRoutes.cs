using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>
/// The collector: our runs in niks3's terms. As with niks3, the age of failed uploads is the grace; with force there is none.
/// </summary>
internal static class GcRoutes
{
    private const string UsualFailedUploads = "6h";

    public static void Map(IEndpointRouteBuilder api, GatewayParts parts)
    {
        var collection = parts.Collection;

        api.MapDelete("/closures", async http =>
        {
            var (cache, query) = (Cache(http), http.Request.Query);
            var failed = First(query["failed-uploads-older-than"], query["pending-older-than"], UsualFailedUploads);
            var request = new GcRequest
            {
                OlderThanSeconds = GoDuration.Parse("older-than", query["older-than"]).TotalSeconds,
                FailedUploadsOlderThanSeconds = GoDuration.Parse("failed-uploads-older-than", failed).TotalSeconds,
                Force = query["force"] == "true",
            };
            if (!request.Force)
                request = request with { GraceSeconds = request.FailedUploadsOlderThanSeconds };
            while (true)
            {
                try
                {
                    await AnswerAsync(http, Task(await collection.StartAsync(cache, http.Credential().Caller, request, OperationId.New(),
                        http.RequestAborted), parts.Time), Wire.GcTask, StatusCodes.Status202Accepted);
                    return;
                }
                catch (CacheProblemException e) when (e.Kind == ProblemKind.GcRunning)
                {
                    // The run may have ended in between: another try then starts one.
                    if ((await collection.StatusAsync(cache, http.RequestAborted)).Current is not { } current)
                        continue;
                    if (IsSame(current, request))
                        await AnswerAsync(http, Task(current, parts.Time), Wire.GcTask, StatusCodes.Status202Accepted);
                    else
                        await AnswerAsync(http, new GcConflict("a different garbage collection is already running",
                            Task(current, parts.Time)), Wire.GcConflict, StatusCodes.Status409Conflict);
                    return;
                }
            }
        }).Needs(Access.Gc);

        api.MapGet("/gc/status", async http =>
        {
            var status = await collection.StatusAsync(Cache(http), http.RequestAborted);
            await AnswerAsync(
                http, Task(status.Current ?? status.Last ?? throw new CacheProblemException(ProblemKind.UnknownGcRun,
                    "no garbage collection has run yet"), parts.Time), Wire.GcTask);
        }).Needs(Access.Gc);
    }

    private static string First(params string?[] texts) => texts.First(t => !string.IsNullOrEmpty(t))!;

    private static bool IsSame(GcRun run, GcRequest request) =>
        !run.DryRun && run.OlderThanSeconds == request.OlderThanSeconds
            && run.FailedUploadsOlderThanSeconds == request.FailedUploadsOlderThanSeconds
            && run.GraceSeconds == (request.GraceSeconds ?? 0);

    private static GcTask Task(GcRun run, TimeProvider time) => new(
        run.State switch { GcState.Running => "running", GcState.Done => "succeeded", _ => "failed" },
        run.Phase switch { "starting" => "cleanup_pending_uploads", "marking" => "cleanup_old_closures", _ => "cleanup_orphan_objects" },
        new GcParams(GoDuration.Print(run.OlderThanSeconds), GoDuration.Print(run.FailedUploadsOlderThanSeconds), run.GraceSeconds == 0),
        new GcStats(run.FailedUploadsDeleted, run.OldClosuresDeleted, run.ObjectsMarkedForDeletion, run.ObjectsDeletedAfterGracePeriod,
            run.ObjectsFailedToDelete),
        run.State == GcState.Cancelled ? "cancelled" : run.Error,
        Time(run.Started), Time(run.Finished ?? time.GetUtcNow()), run.Finished is { } finished ? Time(finished) : null);
}
