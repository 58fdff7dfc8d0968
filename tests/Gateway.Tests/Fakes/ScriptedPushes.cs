using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests;

/// <summary>
/// Pushes that answer what a test wants and remember what they were asked: for what HTTP makes of requests and answers, not for what a push
/// is.
/// </summary>
internal sealed class ScriptedPushes : IPushes
{
    private static readonly DateTimeOffset Expires = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Thrown by every call.</summary>
    public Exception? Failure { get; set; }

    public PushState CommitState { get; set; } = PushState.Committed;

    /// <summary>Waits of commit and wait end with this; null: at once.</summary>
    public TaskCompletionSource? Gate { get; set; }

    public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public List<OperationId> Operations { get; } = [];

    public BeginPush? Begun { get; private set; }

    public UploadReport? Reported { get; private set; }

    public TimeSpan Patience { get; private set; }

    public IPushes As(Caller caller) => this;

    public Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancellationToken)
    {
        Operations.Add(operation);
        Begun = request;
        return Answer(new PushOpened { Id = "7", Expires = Expires, RenewAfterSeconds = 900, Present = request.Paths.Count });
    }

    public Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancellationToken)
    {
        Reported = report;
        return Answer(new ReportAnswer { Stored = [.. report.Uploads.Select(u => u.Upload)] });
    }

    public async Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancellationToken)
    {
        await PassGateAsync(cancellationToken);
        return await Answer(
            new WaitAnswer { Paths = [.. request.Paths.Select(p => new PathStatus { Path = p, State = PathState.Stored })] });
    }

    public Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request,
        CancellationToken cancellationToken) =>
        Answer(new UrlsAnswer { FirstPart = request.FirstPart, Grant = new UploadGrant { Id = upload, Expires = Expires } });

    public async Task<CommitAnswer> CommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancellationToken)
    {
        Patience = patience;
        await PassGateAsync(cancellationToken);
        return await Answer(new CommitAnswer { Id = push.ToString(), State = CommitState, Published = 3 });
    }

    public Task<PinName?> PinAsync(CacheName cache, PushId push, CancellationToken cancellationToken) => Answer(Begun?.Pin?.Name);

    public Task<RenewAnswer> RenewAsync(CacheName cache, PushId push, CancellationToken cancellationToken) =>
        Answer(new RenewAnswer { Expires = Expires, RenewAfterSeconds = 900 });

    public Task AbortAsync(CacheName cache, PushId push, CancellationToken cancellationToken) => Answer(true);

    public Task<MissingAnswer> MissingAsync(CacheName cache, MissingRequest request, CancellationToken cancellationToken) =>
        Answer(new MissingAnswer { Missing = request.Paths });

    private async Task PassGateAsync(CancellationToken cancellationToken)
    {
        Entered.TrySetResult();
        if (Gate is { } gate)
            await gate.Task.WaitAsync(cancellationToken);
    }

    private Task<T> Answer<T>(T value) => Failure is { } failure ? Task.FromException<T>(failure) : Task.FromResult(value);
}
