using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Core.Pushes;

/// <summary>Refuses more references than <see cref="PushOptions.MaxReferences"/>, as they are sent, before anybody looks at them.</summary>
internal static class ReferenceLimit
{
    /// <param name="paths">Those of one request, each with the number of its references.</param>
    /// <param name="options">With the limits.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.TooLarge"/>.</exception>
    public static void Check<T>(IEnumerable<(T Path, int References)> paths, PushOptions options) where T : notnull
    {
        var all = 0L;
        foreach (var (path, references) in paths)
        {
            all += references;
            if (references > options.MaxReferences)
                throw new CacheProblemException(ProblemKind.TooLarge, string.Create(CultureInfo.InvariantCulture,
                    $"{path} has {references} references; this server takes {options.MaxReferences} of one path. Let it refer to paths " +
                    $"that stand for many, or have the server started with a higher --limit-references."));
        }

        if (all > options.MaxReferencesOfPush)
            throw new CacheProblemException(ProblemKind.TooLarge, string.Create(CultureInfo.InvariantCulture,
                $"The paths have {all} references together; this server takes {options.MaxReferencesOfPush} in one push. Push parts of " +
                $"it first, or have the server started with a higher --limit-references."));
    }
}
