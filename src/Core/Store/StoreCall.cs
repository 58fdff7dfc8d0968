using System.Diagnostics;
using OrleansCache.Core.Common;

namespace OrleansCache.Core.Store;

/// <summary>
/// One attempt of a call to the store, counted and timed; a span of its own within a traced request. It never contains a URL, as URLs are
/// signed.
/// </summary>
internal readonly struct StoreCall
{
    public const string Get = "get", Put = "put", Head = "head", Delete = "delete", List = "list", Multipart = "multipart";
    public const string Ok = "ok", Refused = "refused", Failed = "failed";

    public static readonly string[] Operations = [Get, Put, Head, Delete, List, Multipart];
    public static readonly string[] Outcomes = [Ok, Refused, Failed];

    private readonly string _operation;
    private readonly long _started;
    private readonly Activity? _span;

    private StoreCall(string operation, long started, Activity? span) => (_operation, _started, _span) = (operation, started, span);

    /// <param name="operation">One of <see cref="Operations"/>.</param>
    /// <param name="what">The subject of the call.</param>
    public static StoreCall Begin(string operation, object? what)
    {
        // Background work has no request: its thousands of calls would each be a trace.
        var span = Activity.Current is null ? null : Telemetry.Spans.StartActivity("store " + operation, ActivityKind.Client);
        if (span is { IsAllDataRequested: true })
            span.SetTag("orleans_cache.object", what?.ToString());
        return new StoreCall(operation, Stopwatch.GetTimestamp(), span);
    }

    /// <summary>Runs a call that is answered by a value, or by null or an exception.</summary>
    public static async Task<T> RunAsync<T>(string operation, object what, Func<Task<T>> call, CancellationToken cancellationToken)
    {
        var observed = Begin(operation, what);
        var outcome = Failed;
        try
        {
            var answer = await call();
            outcome = answer is null || (answer is FencedOutcome fenced && fenced == FencedOutcome.Refused) ? Refused : Ok;
            return answer;
        }
        finally
        {
            observed.End(cancellationToken.IsCancellationRequested ? null : outcome);
        }
    }

    /// <param name="outcome">Null when no caller wants the answer any more.</param>
    public void End(string? outcome)
    {
        if (outcome is not null)
        {
            Telemetry.StoreRequests.Add(1, new("operation", _operation), new("outcome", outcome));
            Telemetry.StoreDurations.Record(Stopwatch.GetElapsedTime(_started).TotalSeconds,
                new KeyValuePair<string, object?>("operation", _operation));
        }

        if (_span is null)
            return;
        if (outcome == Failed)
            _span.SetStatus(ActivityStatusCode.Error);
        _span.SetTag("orleans_cache.outcome", outcome);
        _span.Dispose();
    }
}
