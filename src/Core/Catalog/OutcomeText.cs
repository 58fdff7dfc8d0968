using System.Collections.Frozen;
using System.Text.Json;

namespace OrleansCache.Core.Catalog;

/// <summary>
/// Parses the outcomes of the catalog's functions: a member's name in lower case, its words joined by hyphens. The catalog classes use it;
/// all layers above see enums.
/// </summary>
internal static class OutcomeText
{
    /// <exception cref="InvalidOperationException">The text is no member: the function and this class are not of one version.</exception>
    public static T Parse<T>(string function, string text) where T : struct, Enum =>
        Table<T>.Members.TryGetValue(text, out var member) ? member
            : throw new InvalidOperationException(
                $"The catalog's function {function} has answered '{text}', which is no {typeof(T).Name}.");

    public static string Of<T>(T member) where T : struct, Enum => Table<T>.Texts[member];

    private static class Table<T> where T : struct, Enum
    {
        public static readonly FrozenDictionary<T, string> Texts = Enum.GetValues<T>()
            .ToFrozenDictionary(m => m, m => JsonNamingPolicy.KebabCaseLower.ConvertName(m.ToString()));

        public static readonly FrozenDictionary<string, T> Members = Texts.ToFrozenDictionary(t => t.Value, t => t.Key);
    }
}
