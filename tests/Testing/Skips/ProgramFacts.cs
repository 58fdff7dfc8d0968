using Xunit;

namespace OrleansCache.Testing;

/// <summary>A test that needs a program; skipped, with the reason, where it is not installed.</summary>
public sealed class ProgramFactAttribute : FactAttribute
{
    public ProgramFactAttribute(string program) => Skip = Programs.Missing(program);
}

/// <inheritdoc cref="ProgramFactAttribute"/>
public sealed class ProgramTheoryAttribute : TheoryAttribute
{
    public ProgramTheoryAttribute(string program) => Skip = Programs.Missing(program);
}

/// <summary>A test that becomes another user.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute() => Skip = Environment.UserName == "root" ? null : "only root can become another user";
}

/// <summary>A test that needs PgBouncer; skipped, with the reason, where it is not installed.</summary>
public sealed class PgBouncerFactAttribute : FactAttribute
{
    public PgBouncerFactAttribute() => Skip = Programs.Missing("pgbouncer");
}

/// <inheritdoc cref="PgBouncerFactAttribute"/>
public sealed class PgBouncerTheoryAttribute : TheoryAttribute
{
    public PgBouncerTheoryAttribute() => Skip = Programs.Missing("pgbouncer");
}
