using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests;

/// <summary>A promotion that does as the test says.</summary>
internal sealed class ScriptedPromotions : IPromotions
{
    public static Promotion Done { get; } = new() { Roots = [], Paths = 3, Present = 1, Copied = 2, Bytes = 20, Published = 2 };

    public Func<Action<PromotionProgress>, CancellationToken, Task<Promotion>> Run { get; set; } = static (_, _) => Task.FromResult(Done);

    public Task<Promotion> PromoteAsync(CacheName target, PromoteRequest request, Caller caller, OperationId operation,
        Action<PromotionProgress> tell, CancellationToken cancellationToken) => Run(tell, cancellationToken);

    public Task<ConflictList> ConflictsAsync(CacheName cache, StorePathHash? after, bool all, int limit,
        CancellationToken cancellationToken) =>
        Task.FromResult(new ConflictList { Conflicts = [], After = after });
}
