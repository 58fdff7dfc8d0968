using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests;

/// <summary>Pins that answer what a test wants and remember what they were asked.</summary>
internal sealed class ScriptedPins : IPins
{
    public IPins As(Caller caller) => this;

    public static readonly Pin Pin = new()
    {
        Name = PinName.Parse("app"),
        Path = StorePath.Parse("0c5b8vw40dy178xlpddw65q9gf1h2186-hello"),
        Revision = 7,
        KeepRevisions = 2,
        Created = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero),
        Updated = new(2030, 1, 2, 0, 0, 0, TimeSpan.Zero),
        Written = true,
    };

    /// <summary>Thrown by every call.</summary>
    public Exception? Failure { get; set; }

    public bool Made { get; set; }

    public bool HasLeftTheBucket { get; set; } = true;

    public List<PinName> Names { get; } = [];

    public List<PinCondition> Conditions { get; } = [];

    public List<OperationId> Operations { get; } = [];

    public SetPin? Set { get; private set; }

    public RollbackPin? Rollback { get; private set; }

    public Task<PinSet> SetAsync(CacheName cache, PinName name, SetPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken)
    {
        Set = request;
        return Answer(name, condition, operation, new PinSet(Pin, Made));
    }

    public Task<PinSet> RollbackAsync(CacheName cache, PinName name, RollbackPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken)
    {
        Rollback = request;
        return Answer(name, condition, operation, new PinSet(Pin, false));
    }

    public Task<bool> DeleteAsync(CacheName cache, PinName name, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken) =>
        Answer(name, condition, operation, HasLeftTheBucket);

    public Task<bool> WrittenAsync(CacheName cache, PinName name, TimeSpan patience, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<PinVersion?> VersionAsync(CacheName cache, PinName name, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<PinList> ListAsync(CacheName cache, CancellationToken cancellationToken) => Task.FromResult(new PinList { Pins = [Pin] });

    public Task<Pin> ShowAsync(CacheName cache, PinName name, CancellationToken cancellationToken) =>
        Answer(name, default, default, Pin with
        {
            History = [new PinRevision { Revision = 7, Path = Pin.Path, Created = Pin.Updated, Kept = true, Present = true }],
        });

    private Task<T> Answer<T>(PinName name, PinCondition condition, OperationId operation, T value)
    {
        Names.Add(name);
        Conditions.Add(condition);
        Operations.Add(operation);
        return Failure is { } failure ? Task.FromException<T>(failure) : Task.FromResult(value);
    }
}
