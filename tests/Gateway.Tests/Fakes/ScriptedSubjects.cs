using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests;

/// <summary>Blocks that are noted, and found as long as they stand here.</summary>
internal sealed class ScriptedSubjects : ISubjects
{
    /// <summary>The block of every publisher who is named here.</summary>
    public Dictionary<string, SubjectBlock> Standing { get; } = [];

    /// <summary>Thrown by every look.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Publishers who were looked up.</summary>
    public List<string> Asked { get; } = [];

    public (BlockSubjects Request, Caller Caller)? Made { get; private set; }

    public (long Block, Caller Caller)? Lifted { get; private set; }

    public Task<Blocked> BlockAsync(CacheName cache, BlockSubjects request, Caller caller, CancellationToken cancellationToken)
    {
        Made = (request, caller);
        return Task.FromResult(new Blocked
        {
            Block = new Block
            {
                Id = 3,
                Pattern = request.Pattern,
                Reason = request.Reason,
                CreatedBy = caller.Publisher,
                Created = DateTimeOffset.UnixEpoch
            },
            EndedPushes = 2,
        });
    }

    public Task UnblockAsync(CacheName cache, long block, Caller caller, CancellationToken cancellationToken)
    {
        Lifted = (block, caller);
        return block == 9999 ? Task.FromException(new CacheProblemException(ProblemKind.UnknownBlock, "There is no block 9999."))
            : Task.CompletedTask;
    }

    public Task<BlockList> ListAsync(CacheName cache, bool liftedToo, CancellationToken cancellationToken) =>
        Task.FromResult(new BlockList { Blocks = [] });

    public Task<SubjectBlock?> FindAsync(CacheName cache, string publisher, CancellationToken cancellationToken)
    {
        lock (Asked)
            Asked.Add(publisher);
        return Failure is { } failure ? Task.FromException<SubjectBlock?>(failure)
            : Task.FromResult(Standing.GetValueOrDefault(publisher));
    }
}
