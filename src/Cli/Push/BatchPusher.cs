using System.Net;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>What became of one root of a batch.</summary>
internal enum RootOutcome
{
    /// <summary>The push made it visible.</summary>
    Published,

    /// <summary>The cache had it.</summary>
    Present,

    /// <summary>A filter leaves it out.</summary>
    LeftOut,

    /// <summary>It is not in the local store, or no longer.</summary>
    Lost,

    /// <summary>It cannot be pushed, whatever becomes of the others.</summary>
    Failed,

    /// <summary>Nothing can be pushed now: the server is away or takes nothing.</summary>
    Unreached,
}

/// <param name="Push">The push that it was part of.</param>
/// <param name="Cause">The path because of which it is left out.</param>
/// <param name="Why">Of what is not in the cache now.</param>
/// <param name="ExitCode">The code that a command with this root alone would end with.</param>
internal sealed record RootAnswer(StorePath Root, RootOutcome Outcome, string? Push = null, StorePath? Cause = null, string? Why = null,
    int ExitCode = ExitCodes.Ok)
{
    public bool IsInCache => Outcome is RootOutcome.Published or RootOutcome.Present;
}

/// <summary>A push of some roots that succeeded.</summary>
/// <param name="Result">Null: all are left out.</param>
internal sealed record PushedRoots(IReadOnlyList<StorePath> Roots, PushResult? Result, IReadOnlyList<LeftOutRoot> LeftOut);

/// <summary>
/// Pushes many roots in one push. When the push fails because of one of them it is divided, so that the others go on; when it fails because
/// of the server, all that is left waits.
/// </summary>
/// <param name="push">Pushes some roots, all or none.</param>
internal sealed class BatchPusher(Func<IReadOnlyList<StorePath>, CancellationToken, Task<PushedRoots>> push)
{
    /// <summary>So many roots that fail alike, while none succeeds, are the server's doing.</summary>
    private const int MaxAlike = 4;

    /// <summary>What became of each root.</summary>
    public async Task<IReadOnlyList<RootAnswer>> PushAsync(IReadOnlyList<StorePath> roots, Action<PushResult>? pushed,
        CancellationToken cancellationToken)
    {
        var answers = new List<RootAnswer>();
        var left = new Stack<IReadOnlyList<StorePath>>([roots]);
        while (left.TryPop(out var some))
        {
            try
            {
                var result = await push(some, cancellationToken);
                if (result.Result is { } told)
                    pushed?.Invoke(told);
                answers.AddRange(Answers(result));
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                if (!IsOfRoots(e))
                {
                    answers.AddRange(left.Prepend(some).SelectMany(rest => rest).Select(root => Unreached(root, e)));
                    return answers;
                }

                if (some.Count > 1)
                {
                    // The first half on top: the order stays.
                    left.Push([.. some.Skip(some.Count / 2)]);
                    left.Push([.. some.Take(some.Count / 2)]);
                    continue;
                }

                answers.Add(new RootAnswer(some[0], IsLost(e) ? RootOutcome.Lost : RootOutcome.Failed, Why: e.Message,
                    ExitCode: CodeOf(e)));
                if (answers.Count < MaxAlike || answers.Any(answer => answer.Why != e.Message))
                    continue;
                return [.. roots.Select(root => Unreached(root, e))];
            }
        }

        return answers;
    }

    private static IEnumerable<RootAnswer> Answers(PushedRoots pushed) =>
        pushed.Roots.Select(root => new RootAnswer(root,
            pushed.Result!.Absent.Contains(root.Hash) ? RootOutcome.Published : RootOutcome.Present, pushed.Result.Push))
        .Concat(pushed.LeftOut.Select(leftOut =>
            new RootAnswer(leftOut.Root, RootOutcome.LeftOut, Cause: leftOut.Cause, Why: leftOut.ToString())));

    private static RootAnswer Unreached(StorePath root, Exception e) =>
        new(root, RootOutcome.Unreached, Why: e.Message, ExitCode: CodeOf(e));

    private static int CodeOf(Exception e) => e switch
    {
        CliException cli => cli.ExitCode,
        HttpRequestException => ExitCodes.Unreachable,
        _ => ExitCodes.Failed,
    };

    private static bool IsLost(Exception e) => e is CliException { IsInvalidPath: true };

    /// <summary>A part of the roots may succeed where all of them do not.</summary>
    private static bool IsOfRoots(Exception e) => e switch
    {
        CliException { ExitCode: ExitCodes.Unreachable or ExitCodes.Refused or ExitCodes.Interrupted } => false,
        CliException { InnerException: CacheException refusal } => (int)refusal.Status is >= 400 and < 500
            && refusal.Status is not (HttpStatusCode.NotFound or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests)
            && !refusal.BeginAgain,
        CliException { InnerException: System.ComponentModel.Win32Exception } => false,
        CliException => true,
        _ => false,
    };
}
