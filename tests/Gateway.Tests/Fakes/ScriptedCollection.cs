using System.Runtime.CompilerServices;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests;

/// <summary>A collector that answers what a test wants and remembers what it was asked.</summary>
internal sealed class ScriptedCollection : IGarbageCollection
{
    private static readonly DateTimeOffset Started = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Thrown by every call.</summary>
    public Exception? Failure { get; set; }

    public bool IsRunning { get; set; } = true;

    /// <summary>Answers a start; null: with a run of its own.</summary>
    public Func<GcRequest, OperationId, GcRun>? OnStart { get; set; }

    public Func<GcStatus>? OnStatus { get; set; }

    public GcRequest? Request { get; private set; }

    public List<OperationId> Operations { get; } = [];

    public int Limit { get; private set; }

    /// <summary>Who started the last run.</summary>
    public Caller? Caller { get; private set; }

    public Task<GcRun> StartAsync(CacheName cache, Caller caller, GcRequest request, OperationId operation,
        CancellationToken cancellationToken)
    {
        Caller = caller;
        Request = request;
        Operations.Add(operation);
        return Answer(OnStart?.Invoke(request, operation) ?? Run(7));
    }

    public Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancellationToken) => Answer(Run(run));

    public Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancellationToken) =>
        Answer(OnStatus?.Invoke() ?? new GcStatus { Current = Run(7), Schedule = "30 3 * * *" });

    public Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancellationToken)
    {
        Limit = limit;
        return Answer(new GcHistory { Runs = [Run(7), Run(6)] });
    }

    public Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancellationToken) => Answer(IsRunning ? Run(7) : null);

    public Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken) => Answer(new WhyAnswer
    {
        Path = new StorePath(path, "hello"),
        State = "live",
        Root = new WhyRoot("pin", "main 3", null),
        Chain = [new StorePath(path, "hello")],
    });

    private static GcRun Run(long id) => new()
    {
        Id = id,
        State = GcState.Running,
        Phase = "marking",
        Scheduled = false,
        DryRun = false,
        Started = Started,
        OlderThanSeconds = 1,
        FailedUploadsOlderThanSeconds = 2,
        GraceSeconds = 3,
        Paths = 0,
        Objects = 0,
        FailedUploadsDeleted = 0,
        OldClosuresDeleted = 0,
        ObjectsMarkedForDeletion = 0,
        ObjectsDeletedAfterGracePeriod = 0,
        ObjectsFailedToDelete = 0,
        BytesFreed = 0,
    };

    private Task<T> Answer<T>(T value) => Failure is { } failure ? Task.FromException<T>(failure) : Task.FromResult(value);
}

/// <summary>A check that finds what a test wants.</summary>
internal sealed class ScriptedFsck : IFsck
{
    public List<FsckFinding> Findings { get; } = [];

    /// <summary>Thrown after the findings.</summary>
    public Exception? Failure { get; set; }

    /// <summary>The end of the check waits for this.</summary>
    public TaskCompletionSource? Gate { get; set; }

    public IAsyncEnumerable<FsckFinding> CheckAsync(CacheName cache, FsckTally tally, CancellationToken cancellationToken) =>
        cache == CacheName.Default ? RunAsync(tally, cancellationToken) : throw new CacheProblemException(ProblemKind.UnknownCache,
            "no such cache");

    private async IAsyncEnumerable<FsckFinding> RunAsync(FsckTally tally, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var finding in Findings)
        {
            tally.Keys++;
            yield return finding;
        }

        if (Gate is { } gate)
            await gate.Task.WaitAsync(cancellationToken);
        if (Failure is { } failure)
            throw failure;
    }
}
